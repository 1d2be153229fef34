/** The command line: commands, arguments, options and help. What a command does is in commands/. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { UsageError } from './command-error.ts';
import { resolveSettings, variableOf } from './resolve-settings.ts';
import { serverSettings } from './server-values.ts';
import { type Setting, type SettingName, settings, type Values } from './settings.ts';

/** Carries out a command. @returns the exit code */
type Action<Name extends SettingName> = (values: Values<Name>, ...args: string[]) => Promise<number>;

type Definition<Name extends SettingName> = {
  readonly name: string;
  readonly argument?: readonly [name: string, help: string, optional?: 'optional'];
  /** Any number of words after the options, as they are. */
  readonly rest?: readonly [name: string, help: string];
  readonly summary: string;
  readonly description?: string;
  readonly settings: readonly Name[];
  readonly examples: string;
  /** The code of a command is loaded when it runs: `--help` needs none of it. */
  readonly load: () => Promise<Action<Name>>;
};

const define = <const Name extends SettingName>(definition: Definition<Name>): Definition<Name> => definition;

const commands = [
  define({
    name: 'serve',
    summary: 'run a server',
    description:
      'Runs a server. It forwards and stores what it cannot read: it sees who is connected when, and how much ' +
      'is said, but has no keys. It ends on SIGINT or SIGTERM when everything that came in is stored.',
    settings: ['json', ...serverSettings],
    examples: `
  skytale serve                                   for this machine only
  skytale serve --listen 0.0.0.0:7000             for the network
  skytale serve --listen 127.0.0.1:0 --json       any free port; the first line of standard output says which`,
    load: async () => (await import('./commands/serve.ts')).serve,
  }),
  define({
    name: 'rooms',
    argument: ['ACTION...', '"delete ROOM" deletes a room; without it, all are listed', 'optional'],
    summary: 'list or delete the rooms of a server that runs',
    description:
      'Lists the rooms of the server that runs with its data in the directory of --data, as its user: when each ' +
      'was made and used, its size, and from which address it was made. "delete ROOM" deletes a room with all that ' +
      'was said in it, and hangs up on those who are in it; there is no way back. A room is named as it is listed, of which the first digits ' +
      'will do where only one begins with them, as "skytale chat" shows it, or by its invite. What is said in a room neither the server can read nor its owner.\n\n' +
      'With --json every line of standard output is a room: {"room":"…","messages":7,"bytes":2100,"members":2,' +
      '"createdAt":"2026-01-31T12:00:00.000Z","usedAt":"…","createdFrom":"192.0.2.1",' +
      '"damaged":false}. Of one that is damaged in the database nothing else is known; it can be deleted.',
    settings: ['data', 'json'],
    examples: `
  skytale rooms
  skytale rooms delete 3f9a01c7
  skytale rooms --json | jq 'select(.members == 0)'`,
    load: async () => (await import('./commands/rooms.ts')).rooms,
  }),
  define({
    name: 'invite',
    summary: 'make a room and print the links that let people in',
    description:
      'Makes a room on a server and prints its link. Whoever has the link can read and write in the room: send ' +
      'it over a channel that you trust. The part after # is the key; it never goes to the server.\n\n' +
      'The first line is for "skytale chat", the second for browsers; there is one where --public-url says what it ' +
      'begins with, or --server speaks WebSocket. On a terminal a QR code follows. With --json: ' +
      '{"invite":"skytale://…","web":"https://…"}, where "web" may be null.',
    settings: ['server', 'public-url', 'passphrase', 'passphrase-file', 'ca-file', 'json'],
    examples: `
  skytale invite
  skytale invite --server chat.example.org:7000 --public-url https://chat.example.org
  skytale invite --server wss://chat.example.org:443
  skytale invite --passphrase                     the link alone is not enough, people need the passphrase too`,
    load: async () => (await import('./commands/invite.ts')).invite,
  }),
  define({
    name: 'chat',
    argument: ['INVITE', 'the link that "skytale invite" printed, in quotes (it contains a #)', 'optional'],
    summary: 'talk in a room',
    description:
      'Talks in a room. On a terminal it is a chat client; type /help in it. In a pipe every line of standard ' +
      'input is sent as a message, every message of the others is printed as a line of standard output, and ' +
      'everything else goes to standard error. At the end of the input it waits until the server has stored ' +
      'all of it, then ends; with --follow it stays.\n\n' +
      'INVITE as an argument is seen by every user of this machine (ps) and kept in the history of the shell. ' +
      '--invite-file and SKYTALE_INVITE are not.\n\n' +
      'A line that no message can carry is put into a file unsent-….txt in the directory of --state; the others ' +
      'are sent, and the exit code is 3.\n\n' +
      'A line ends with LF or CR LF. In text format a line break within a message is printed as \\n, a backslash as \\\\, another control ' +
      'character (but tab) as \\xNN, and what cannot be seen or reorders text as \\uNNNN. In json format each line is ' +
      'an object with a type; docs/bots.md describes them. Of messages it is {"type":"message","seq":7,' +
      '"at":"2026-01-31T12:00:00.000Z","member":"…","from":"alice","text":"…","own":false,"again":false}. The name ' +
      'in "from" can be taken by anybody; "member" cannot.',
    settings: [
      'name',
      'crypto',
      'since',
      'history',
      'follow',
      'format',
      'state',
      'timeout',
      'invite-file',
      'passphrase-file',
      'ca-file',
    ],
    examples: `
  skytale chat 'skytale://127.0.0.1:7000/…#…' --name alice
  skytale chat --invite-file room.invite --name alice
  skytale chat --invite-file - --name alice       paste the invite when it asks
  make 2>&1 | skytale chat --invite-file room.invite --name build
  export SKYTALE_INVITE="$(cat room.invite)"
  skytale chat --follow </dev/null                only listen
  skytale chat --since 0 --format json </dev/null`,
    load: async () => (await import('./commands/chat.ts')).chat,
  }),
  define({
    name: 'web',
    argument: ['INVITE', 'the link that "skytale invite" printed, in quotes (it contains a #)', 'optional'],
    summary: 'talk in a browser, in a page that this machine serves',
    description:
      'Serves the page for browsers on this machine and leads it to the server of the link. So the page does not come ' +
      'from that server, and needs no certificate; the server may be one that speaks TCP only.',
    settings: ['port', 'invite-file', 'ca-file'],
    examples: `
  skytale web 'https://chat.example.org/r/…#…'
  skytale web --invite-file room.invite`,
    load: async () => (await import('./commands/web.ts')).web,
  }),
  define({
    name: 'verify-web',
    argument: ['URL', 'the server, such as https://chat.example.org'],
    summary: 'compare the page that a server delivers with the one of this version',
    description:
      'Fetches each file of the page and compares its hash with the installed one. A server may answer this check and ' +
      'a victim in different ways: "skytale web" needs no such trust.',
    settings: [],
    examples: `
  skytale verify-web https://chat.example.org`,
    load: async () => (await import('./commands/verify-web.ts')).verifyWeb,
  }),
  define({
    name: 'doctor',
    summary: 'show what this machine has: engines, accelerators, devices',
    settings: ['json'],
    examples: `
  skytale doctor
  skytale doctor --json`,
    load: async () => (await import('./commands/doctor.ts')).doctor,
  }),
  define({
    name: 'device',
    summary: 'serve a crypto device to virtual machines',
    description:
      'Serves a crypto device on a Unix socket, by the vhost-user protocol, to one virtual machine after another, ' +
      'and prints the arguments that attach it to QEMU. It ends on SIGINT or SIGTERM. SIGUSR1 makes it print ' +
      'counters.\n\n' +
      'With --json every line of standard output is an event; the first is {"event":"listening","socket":"…"}.',
    settings: [
      'model',
      'socket',
      'engine',
      'queues',
      'max-sessions',
      'trust-vmm-memory',
      'metrics',
      'json',
      'log-level',
    ],
    examples: `
  skytale device --socket /run/crypto.sock
  skytale device --socket /run/crypto.sock --metrics 127.0.0.1:9464
  skytale device --model virtio-cryptodev --socket /run/crypto.sock --json`,
    load: async () => (await import('./commands/device.ts')).device,
  }),
  define({
    name: 'vm',
    rest: ['COMMAND...', 'what to run in the guest instead of a shell; put -- before it'],
    summary: 'boot a Linux guest that has a crypto device',
    description:
      'Boots a Linux guest with the device attached. It gives you a shell in it, or runs COMMAND there and ends ' +
      "with its status. The guest sees this machine's files, and writes to none of them. It is gone when the " +
      'command ends. What is needed is fetched at the first start: a kernel, and QEMU where it is missing.',
    settings: ['vmm', 'model', 'engine', 'queues', 'qemu', 'memory', 'cpus', 'network'],
    examples: `
  skytale vm                                      a shell; "grep -A 8 virtio_crypto /proc/crypto" shows the device
  skytale vm -- grep -c virtio_crypto /proc/crypto
  skytale vm --model virtio-cryptodev -- cryptodev-tool list
  skytale vm --qemu 11 --network --memory 2048`,
    load: async () => (await import('./commands/vm.ts')).vm,
  }),
  define({
    name: 'start',
    summary: 'run a server with a room of its own, and show how to join it',
    description:
      'What "npm start" runs: a server, a test of the crypto device, and an invite to a room that is made on the ' +
      'first start and is there again on the next.',
    settings: [...serverSettings],
    examples: `
  skytale start
  skytale start --listen 0.0.0.0:7000`,
    load: async () => (await import('./commands/start.ts')).start,
  }),
];

/**
 * Runs the command that `args` name.
 * @param args without the program's name
 * @returns the exit code
 * @throws {CommandError} whatever goes wrong that has words for it
 */
export async function runProgram(args: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = new Command('skytale')
    .description('End-to-end encrypted chat whose cryptography runs on a crypto device.')
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'explain')
    .helpCommand('help [COMMAND]', 'explain a command')
    .usage('COMMAND [OPTIONS]')
    .configureHelp({
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map((argument) => argument.name())].join(' '),
    })
    .addHelpText('after', overview);
  for (const definition of commands) {
    addCommand(program, definition as unknown as Definition<SettingName>, (code) => {
      exitCode = code;
    });
  }
  quiet(program);
  if (args.length === 0) {
    program.outputHelp({ error: true });
    return 2;
  }
  const [first, topic] = args;
  if (
    first === 'help' &&
    topic !== undefined &&
    topic !== 'help' &&
    !commands.some(({ name }) => name === topic)
  ) {
    throw new UsageError(`Unknown command '${topic}'. "skytale --help" explains.`);
  }
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (error.code === 'commander.help') return 2;
    const known = commands.some(({ name }) => name === args[0]);
    const help = `"skytale ${known ? `${args[0]} ` : ''}--help" explains.`;
    throw new UsageError(`${oneLine(error.message)} ${help}`, { cause: error });
  }
  return exitCode;
}

const overview = `
Begin with:
  skytale start                  a server and a room, in one terminal
  skytale chat 'skytale://…'     talk there, in another

Every option can also be given in the environment, as ${variableOf('log-level')} for --log-level, or in the
JSON file that --config names. NO_COLOR=1 turns colours off, SKYTALE_DEBUG=1 turns stack traces on.

Exit codes:
  0      done
  1      it failed; the last line of standard error says why
  2      a wrong command, option or setting; nothing was done
  3      "chat" in a pipe: done, but some lines could not be sent; a file has them, and standard error says which
  128+n  ended by signal n; "vm" ends with the code of its command

"skytale COMMAND --help" explains a command.`;

function addCommand(
  program: Command,
  definition: Definition<SettingName>,
  done: (exitCode: number) => void,
): void {
  const command = program
    .command(definition.name)
    .summary(definition.summary)
    .description(definition.description ?? `${capitalized(definition.summary)}.`)
    .usage(
      [
        definition.argument?.[2] ? `[${definition.argument[0]}]` : definition.argument?.[0],
        '[OPTIONS]',
        definition.rest && `[-- ${definition.rest[0]}]`,
      ]
        .filter(Boolean)
        .join(' '),
    )
    .helpOption('--help', 'explain')
    .allowExcessArguments(false)
    .addHelpText('after', `\nExamples:${definition.examples}`);
  if (definition.argument) {
    const [name, help, optional] = definition.argument;
    command.argument(optional ? `[${name}]` : `<${name}>`, help);
  }
  if (definition.rest) command.argument(`[${definition.rest[0]}]`, definition.rest[1]);
  const options = definition.settings.map((name) => optionOf(name));
  for (const option of options) command.addOption(option);
  command.option('--config <FILE>', 'JSON file with settings');
  const units = unitsOf(definition.settings);
  if (units !== '') command.addHelpText('after', `\n${units}`);
  command.action(async (...given: unknown[]) => {
    const raw = command.opts<Record<string, unknown>>();
    const flags = Object.fromEntries(options.map((option) => [option.name(), raw[option.attributeName()]]));
    const config = (raw.config as string | undefined) ?? process.env[variableOf('config')];
    const values = resolveSettings(definition.settings, flags, process.env, config);
    const action = await definition.load();
    const words = given.slice(0, command.registeredArguments.length).flat() as string[];
    done(await action(values, ...words));
  });
}

/** What the placeholders of values with units mean. */
function unitsOf(names: readonly SettingName[]): string {
  const placeholders = names.map((name) => (settings[name] as Setting<unknown>).value);
  const texts = {
    SIZE: 'SIZE is in bytes: 65536, 64K, 512M or 10G (K is 1024).',
    TIME: 'TIME has its unit: 500ms, 30s, 5m or 2h. A number alone is seconds.',
  };
  return Object.entries(texts)
    .filter(([placeholder]) => placeholders.includes(placeholder))
    .map(([, text]) => text)
    .join('\n');
}

function optionOf(name: SettingName): Option {
  const setting: Setting<unknown> = settings[name];
  if (setting.value === undefined) return new Option(`--${name}`, setting.help);
  const fallback = setting.fallbackHelp ?? setting.fallback(process.env);
  const help = fallback === undefined ? setting.help : `${setting.help} (default: ${fallback})`;
  const option = new Option(`--${name} <${setting.value}>`, help);
  return setting.group === undefined ? option : option.helpGroup(setting.group);
}

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Commander prints nothing about errors itself: main.ts does, in one way for all of them. */
function quiet(program: Command): void {
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ outputError: () => {} });
  }
}

const oneLine = (message: string): string => {
  const text = capitalized(message.replace(/^error: /, '').replaceAll('\n', ' '));
  return /[.)?]$/.test(text) ? text : `${text}.`;
};

function version(): string {
  const file = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
