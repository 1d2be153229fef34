/**
 * Writes the tables of docs/limits.md: the settings of a server by their one table, and every number that the source has a name
 * for, with the comment that stands above it. `node scripts/limits-page.ts` after a change; a test fails without it.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { settingTable } from '../packages/chat/src/server/setting-table.ts';
import { fallbackText } from '../packages/skytale/src/server-flags.ts';
import { formatSize, formatTime } from '../packages/skytale/src/setting-values.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
export const limitsPage = `${root}docs/limits.md`;

/** A number that the source has a name for. */
export interface Constant {
  readonly name: string;
  readonly value: number;
  /** What the comment says that stands above it, or above those that it follows without a gap. */
  readonly comment: string;
}

/** The parts of the page, and whose numbers each lists: of the device's packages, which are full of codes, what a name calls a limit. */
const parts = {
  'chat-server': { files: 'packages/chat/src/{server,log,protocol}/**/*.ts', names: /./ },
  'chat-client': { files: 'packages/chat/src/{client,encryption,names}/**/*.ts', names: /./ },
  command: { files: 'packages/skytale/src/**/*.ts', names: /./ },
  web: { files: 'packages/web/src/{*,page/*,engine/*,service-worker/*}.ts', names: /./ },
  device: {
    files: 'packages/{virtio,cryptodev,vhost-user,v86-host,vm}/src/**/*.ts',
    names:
      /(^|_)(MAX|MOST|LIMIT|LONGEST|TIMEOUT|MS|BYTES_MAX)(_|$)|^(max|most|longest)[A-Z]|(Ms|Timeout|Limit)$/,
  },
} as const;

/** Names of numbers that bound nothing: units, places in a layout, codes that others have given, versions, widths on a screen. */
const noLimits = [
  /^(KIB|MIB|GIB|SECOND|HOUR|DAY|HOUR_MS|DAY_MS)$/,
  /(_AT|_VERSION|_ID|_MAGIC|_OPCODE|_OVERHEAD|_WORD)$/,
  /^(SQLITE_\w+|VERSION|LOCAL|PROXY|END|UNSUPPORTED_DATA|VIRTIO_MSI_NO_VECTOR)$/,
  /^(LENGTH_BYTES|HASH_BYTES|HEADER_BYTES|VALUE_HEADER_BYTES|CHAIN_HASH_BYTES|TAG_BYTES|SALT_BYTES|SALT_CHECK_BYTES)$/,
  /^(IDENTITY_SEED|ROOM_SECRET|ROOM_ID|EPOCH|SENDER_KEY|PUBLIC_KEY|SIGNATURE|GROUP|NONCE|DELIVER|ACK)_BYTES$/,
  /^(GROUPS|LAST_TIME|OVERHEAD|MIN_ENVELOPE|KEY_BYTES|SEED_BYTES|COLOURS)$/,
  /^(tabWidth|timeWidth|leastWidth|endKey|firstGeneric|exampleMemory|longest)$/,
];

const declaration = /^(?:export )?const ([A-Za-z]\w*)(?:: number)? = ([^;]+);/;

/** The constants of a source that are numbers, also where they are made of others of it or of `known`. */
export function constantsIn(source: string, known: ReadonlyMap<string, number> = new Map()): Constant[] {
  const own = new Map(known);
  const found: Constant[] = [];
  let comment: string[] = [];
  let inComment = false;
  let isOver = true;
  for (const line of source.split('\n')) {
    const [, name, expression] = declaration.exec(line) ?? [];
    const isComment = inComment || line.startsWith('/*') || line.startsWith('//');
    if (isComment) {
      if (isOver) comment = [];
      isOver = false;
      comment.push(line.replace(/^\s*(\/\*\*?|\*\/|\*|\/\/)?\s?|\s*\*\/\s*$/g, ''));
      inComment = line.startsWith('/*') || inComment ? !line.includes('*/') : false;
      continue;
    }
    isOver = true;
    if (name === undefined) {
      comment = [];
      continue;
    }
    const value = evaluated(expression!, own);
    if (value === undefined) continue;
    own.set(name, value);
    found.push({ name, value, comment: comment.join(' ').replace(/\s+/g, ' ').trim() });
  }
  return found;
}

/** The value of an expression of numbers and known names; `undefined` if it is none. */
function evaluated(expression: string, known: ReadonlyMap<string, number>): number | undefined {
  let numeric = true;
  const text = expression.replace(/\b[A-Za-z_]\w*\b/g, (name) => {
    const value = known.get(name);
    if (value === undefined) numeric = false;
    return String(value);
  });
  if (!numeric && !/^[\dxXa-fA-F_.e+\-*/%() ]+$/.test(expression)) return undefined;
  const plain = numeric ? text : expression;
  if (!/^[\dxXa-fA-F_.e+\-*/%() <|&]+$/.test(plain) || !/\d/.test(plain)) return undefined;
  const value: unknown = new Function(`return (${plain});`)();
  return typeof value === 'number' ? value : undefined;
}

const isSource = (file: string): boolean =>
  !/(\.test|\.cases|\.testing)\.ts$|\/(testing|vectors|simulation)\//.test(file);

export const sourceFiles = (pattern: string): string[] =>
  globSync(pattern, { cwd: root }).filter(isSource).sort();

export const readSource = (file: string): string => readFileSync(`${root}${file}`, 'utf8');

function constantsTable({ files, names }: { files: string; names: RegExp }): string {
  const known = new Map(
    sourceFiles('packages/*/src/**/*.ts').flatMap((file) =>
      constantsIn(readSource(file)).map(({ name, value }) => [name, value] as const),
    ),
  );
  const rows = sourceFiles(files).flatMap((file) =>
    constantsIn(readSource(file), known)
      .filter(({ name }) => names.test(name) && !noLimits.some((pattern) => pattern.test(name)))
      .map((constant) => {
        if (constant.comment === '')
          console.error(`${file}: ${constant.name} has no comment that says what it bounds`);
        return [`\`${constant.name}\``, `\`${basename(file)}\``, inWords(constant), constant.comment];
      }),
  );
  return markdown(['Number', 'In', 'Value', 'What it is'], rows);
}

function inWords({ name, value, comment }: Constant): string {
  const inBytes = /BYTES|MEMORY|FRAME|PARTIAL|WATER/i.test(name) || /\bbytes\b/i.test(comment);
  if (inBytes && value % 1024 === 0) return size(value);
  if (/_MS$|Ms$|TIMEOUT$/.test(name)) return time(value);
  return value.toLocaleString('en-US');
}

const size = (bytes: number): string =>
  formatSize(bytes).replace(/([KMGT])?$/, (unit) => (unit === '' ? '' : ` ${unit}iB`));
const time = (milliseconds: number): string => formatTime(milliseconds).replace(/(ms|s)$/, ' $1');

function settingsTable(): string {
  const rows = Object.values(settingTable).map((setting) => {
    const { flag, kind, help, least, most } = setting;
    const off = kind === 'switch' ? 'off' : fallbackText(setting);
    const text = kind === 'directory' ? "the user's data directory" : off;
    const range = ['size', 'count', 'time'].includes(kind) ? rangeOf(kind, least, most) : '';
    return [`\`--${flag}\``, text, range, help];
  });
  return markdown(['Setting', 'Default', 'From … to', 'What it is'], rows);
}

function rangeOf(kind: string, least: number, most: number): string {
  const format = { size: formatSize, time: formatTime }[kind] ?? String;
  return most === Number.MAX_SAFE_INTEGER ? `${format(least)} …` : `${format(least)} … ${format(most)}`;
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The page with its tables made anew; all else stays. */
export function renewed(page: string): string {
  const tables: Record<string, string> = { settings: settingsTable() };
  for (const [name, part] of Object.entries(parts)) tables[name] = constantsTable(part);
  return (
    page.replace(
      /(<!-- begin ([\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
      (_all, begin: string, name: string, end: string) => {
        const table = tables[name];
        if (table === undefined) throw new Error(`docs/limits.md: there is no table ${name}.`);
        delete tables[name];
        return `${begin}\n${table}\n\n${end}`;
      },
    ) +
    Object.keys(tables)
      .map((name) => `\nThe table ${name} has no place on the page.\n`)
      .join('')
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(limitsPage, renewed(readFileSync(limitsPage, 'utf8')));
}
