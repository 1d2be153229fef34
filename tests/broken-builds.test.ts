/**
 * The simulator must be able to find what it is for: faults that were there once are put back into a copy of the source, one at a
 * time, and each must be found within the seeds that are run at every change.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TemporaryDirectory } from './support/directory.ts';

const SEEDS = 300;
const root = fileURLToPath(new URL('..', import.meta.url));

type Fault = {
  readonly name: string;
  readonly file: string;
  /** What stands there, and what stood there when the fault was there. */
  readonly right: string;
  readonly broken: string;
};

const faults: readonly Fault[] = [
  {
    name: 'a room is forgotten by its key after waiting, whoever is in it by then',
    file: 'server/room-table.ts',
    right: 'if (this.#remove(unused)) unused.close();',
    broken: 'void this.#parts.log.roomState(id).then(() => this.#rooms.delete(id));',
  },
  {
    name: 'what was accepted is set back to what is stored when one more message is refused',
    file: 'server/publisher.ts',
    right: '      this.refuse(`This room has reached',
    broken: '      this.#number.accepted = this.#number.stored.n;\n      this.refuse(`This room has reached',
  },
  {
    name: 'what waits for messages that were dropped waits for ever',
    file: 'server/member-numbers.ts',
    right: '      number.accepted = number.stored.n;\n      number.underWay = 0;',
    broken: '      number.underWay = 0;',
  },
  {
    name: 'a member is forgotten while the writer has messages of it that others have stored',
    file: 'server/member-numbers.ts',
    right: '    number.accepted = Math.max(number.accepted, last.n);\n',
    broken:
      '    number.accepted = Math.max(number.accepted, last.n);\n' +
      '    if (number.holders === 0 && number.accepted === number.stored.n) this.#members.delete(member);\n',
  },
  {
    name: 'what waits to be stored is not looked through when others have stored something',
    file: 'server/room-writer.ts',
    right: 'if (overtaken) this.#appendNew(batch);',
    broken: 'if (overtaken) this.#append(batch);',
  },
];

describe('the simulator', () => {
  for (const { name, file, right, broken } of faults) {
    test(`finds that ${name}`, () => {
      using directory = new TemporaryDirectory();
      const path = copyOfSource(directory.path, file);
      const source = readFileSync(path, 'utf8');
      assert.equal(source.split(right).length, 2, `${file} has changed: put the fault back in another way`);
      writeFileSync(path, source.replace(right, broken));
      const { status, stdout, stderr } = simulate(directory.path);
      assert.equal(status, 1, `not found in ${SEEDS} runs\n${stdout}${stderr}`);
      assert.match(stdout, /WRONG: /);
    });
  }

  test('finds nothing in a copy in which nothing is changed', () => {
    using directory = new TemporaryDirectory();
    copyOfSource(directory.path, 'index.ts');
    const { status, stdout } = simulate(directory.path);
    assert.equal(status, 0, stdout);
  });
});

/** Copies what the simulator runs. @returns where `file` of the chat is in it */
function copyOfSource(directory: string, file: string): string {
  mkdirSync(join(directory, 'packages'));
  cpSync(join(root, 'packages/chat'), join(directory, 'packages/chat'), { recursive: true });
  cpSync(join(root, 'scripts'), join(directory, 'scripts'), { recursive: true });
  for (const shared of ['node_modules', 'packages/cryptodev']) {
    symlinkSync(join(root, shared), join(directory, shared));
  }
  return join(directory, 'packages/chat/src', file);
}

function simulate(directory: string) {
  const script = join(directory, 'scripts/simulate.ts');
  return spawnSync(process.execPath, [script, '--seeds', String(SEEDS), '--first'], { encoding: 'utf8' });
}
