/** What the commands typed into the chat answer: /help, /who, /verify, /hide, /show, /discard, /forget, /quit. */
import type { ChatClient, MemberId } from '@skytale/chat';
import type { Names } from '../names.ts';
import { displayText } from '../safe-text.ts';

export type Answer = {
  readonly text: readonly string[];
  readonly quit?: boolean;
  /** The room is to be forgotten. */
  readonly forget?: boolean;
};

/** The part of the client that the commands ask. */
type Source = Pick<
  ChatClient,
  | ('member' | 'present' | 'knownMembers' | 'safetyNumber' | 'setAside' | 'discard')
  | ('hidden' | 'hide' | 'unacknowledged')
>;

const help = [
  '/who              who is here now',
  '/verify [NAME]    safety numbers, to compare over another channel',
  '/hide NAME        do not show what NAME says, here and for you only; without NAME: who is hidden',
  '/show NAME        show it again from now on (so does /hide NAME)',
  '/discard          forget messages that cannot be sent, which are shown at each start until then',
  '/quit             leave (so does Ctrl-D)',
  '/forget           leave for good, and wipe what is kept here of the room; it asks first',
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
    case '/hide':
      return { text: await hide(argument, client, names, undefined) };
    case '/show':
      return { text: await hide(argument, client, names, false) };
    case '/forget':
      return forget(argument, client);
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

/** @param to whether it is to be hidden; unless told, the other way round than it is */
async function hide(query: string, client: Source, names: Names, to: boolean | undefined): Promise<string[]> {
  if (query === '') {
    const all = Array.from(client.hidden, (member) => names.label(member));
    return [all.length === 0 ? 'Nobody is hidden. /hide NAME hides somebody.' : `Hidden: ${all.join(', ')}.`];
  }
  const [member, ...others] = names.find(query, everybodyElse(client));
  if (member === undefined) return [`Nobody called ${displayText(query)} is known here.`];
  if (others.length > 0) {
    const labels = [member, ...others].map((one) => names.label(one));
    return [`Several have that name. Say which: ${labels.join(', ')}.`];
  }
  const hidden = to ?? !client.hidden.has(member);
  await client.hide(member, hidden);
  const label = names.label(member);
  return [
    hidden
      ? `${label} is hidden, for you only. /show ${label} brings them back.`
      : `${label} is shown again, from now on.`,
  ];
}

function forget(argument: string, client: Source): Answer {
  if (argument === 'yes') return { text: [], forget: true };
  const { unacknowledged } = client;
  const lost = unacknowledged === 0 ? '' : ` Not sent yet, and lost then: ${unacknowledged}.`;
  return {
    text: [
      `This leaves the room and wipes what is kept here of it: your identity in it, and what was read and written.${lost} The others keep what they have.`,
      'Who comes back with the invite is a new member. To go on type: /forget yes',
    ],
  };
}

function everybodyElse(client: Source): Set<MemberId> {
  const here = client.present.map(({ member }) => member);
  const others = new Set([...here, ...client.knownMembers.keys(), ...client.hidden]);
  others.delete(client.member);
  return others;
}

function who(client: Source, names: Names): string[] {
  const others = client.present.map(
    ({ member }) => `${names.label(member)}${client.hidden.has(member) ? ' (hidden)' : ''}`,
  );
  return [`Here, by what the server says: ${[`${names.label(client.member)} (you)`, ...others].join(', ')}.`];
}

async function discard(client: Source): Promise<string[]> {
  const drafts = client.setAside;
  for (const { id } of drafts) await client.discard(id);
  if (drafts.length === 0) return ['There are none that cannot be sent.'];
  return [drafts.length === 1 ? 'It is forgotten.' : `All ${drafts.length} are forgotten.`];
}

async function verify(query: string, client: Source, names: Names): Promise<string[]> {
  const others = everybodyElse(client);
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
