/** The program guest/tests/agent.c, which does by ioctl what it is told. */
import { createInterface } from 'node:readline';
import type { Guest } from '@skytale/vm';

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

/** An agent that is asked a step at a time; killed when it goes out of scope */
export interface Conversation extends AsyncDisposable {
  ask(step: string): Promise<string>;
}

/** Starts an agent on a device, by the words of its command. */
export async function converse(
  guest: Guest,
  agent: string | readonly string[],
  device: string,
): Promise<Conversation> {
  const child = await guest.spawn([agent, device].flat());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(step) {
      child.stdin.write(`${step}\n`);
      return String((await lines.next()).value);
    },
    async [Symbol.asyncDispose]() {
      await child.kill();
      await child.exited;
    },
  };
}
