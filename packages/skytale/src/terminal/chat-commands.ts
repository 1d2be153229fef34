/** What the commands typed into the chat answer: /help, /who, /verify, /discard, /quit. */
import type { ChatClient, MemberId } from '@skytale/chat';
import type { Names } from '../names.ts';
import { displayText } from '../safe-text.ts';

export type Answer = { readonly text: readonly string[]; readonly quit?: boolean };

/** The part of the client that the commands ask. */
type Source = Pick<
  ChatClient,
  'member' | 'present' | 'knownMembers' | 'safetyNumber' | 'setAside' | 'discard'
>;

const help = [
  '/who              who is here now',
  '/verify [NAME]    safety numbers, to compare over another channel',
  '/discard          forget messages that cannot be sent, which are shown at each start until then',
  '/quit             leave (so does Ctrl-D)',
  '/help             this',
  '//text            send a text that begins with a slash',
  'Enter sends, Alt-Enter breaks the line, arrows up and down bring back what was sent, Ctrl-L clears the screen.',
];

/** @param line begins with a slash */
export async function answer(line: string, client: Source, names: Names): Promise<Answer> {
  const [command = '', ...rest] = line.trim().split(/\s+/);
  const argument = rest.join(' ');
  switch (command) {
    case '/help':
      return { text: help };
    case '/who':
      return { text: who(client, names) };
    case '/verify':
      return { text: await verify(argument, client, names) };
    case '/discard':
      return { text: await discard(client) };
    case '/quit':
    case '/exit':
      return { text: [], quit: true };
    default:
      return {
        text: [
          `There is no command ${displayText(command)}. /help lists them; //… sends a text with a slash.`,
        ],
      };
  }
}

function who(client: Source, names: Names): string[] {
  const others = client.present.map(({ member }) => names.label(member));
  return [`Here, by what the server says: ${[`${names.label(client.member)} (you)`, ...others].join(', ')}.`];
}

async function discard(client: Source): Promise<string[]> {
  const drafts = client.setAside;
  for (const { id } of drafts) await client.discard(id);
  if (drafts.length === 0) return ['There are none that cannot be sent.'];
  return [drafts.length === 1 ? 'It is forgotten.' : `All ${drafts.length} are forgotten.`];
}

async function verify(query: string, client: Source, names: Names): Promise<string[]> {
  const here = client.present.map(({ member }) => member);
  const others = new Set([...here, ...client.knownMembers.keys()]);
  others.delete(client.member);
  const chosen = query === '' ? [...others] : names.find(query, others);
  if (chosen.length === 0) {
    return [
      query === '' ? 'Nobody else is known here yet.' : `Nobody called ${displayText(query)} is known here.`,
    ];
  }
  const numbers = await Promise.all(chosen.map((member) => safetyNumber(member, client, names)));
  return [
    'Call each other, or meet, and compare. Equal numbers: it is really the two of you, and nobody in between.',
    ...numbers.flat(),
  ];
}

async function safetyNumber(member: MemberId, client: Source, names: Names): Promise<string[]> {
  const groups = (await client.safetyNumber(member))?.split(' ') ?? ['(none)'];
  const half = Math.ceil(groups.length / 2);
  return [
    `you and ${names.label(member)}:`,
    `    ${groups.slice(0, half).join(' ')}`,
    `    ${groups.slice(half).join(' ')}`,
  ];
}
