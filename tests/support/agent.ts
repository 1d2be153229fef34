/** The program guest/tests/agent.c, which does by ioctl what it is told. */

/** A guest in any VMM */
export interface AgentGuest {
  check(
    command: string | readonly string[],
    options?: { readonly input?: string | Uint8Array },
  ): Promise<string>;
}

/** Runs a script of the agent's on a device; returns its answers, one for each line. */
export async function runAgent(
  guest: AgentGuest,
  agent: string,
  steps: readonly string[],
  device = '/dev/crypto',
): Promise<string[]> {
  const output = await guest.check([agent, device], { input: `${steps.join('\n')}\n` });
  return output.split('\n').slice(0, -1);
}
