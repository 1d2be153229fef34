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

type Edit = {
  readonly file: string;
  /** What stands there, and what stood there when the fault was there. */
  readonly right: string;
  readonly broken: string;
};

/** One fault, also where what was mended of it stands in several places: each alone would hide the others. */
type Fault = { readonly name: string; readonly edits: readonly Edit[]; readonly finds: RegExp };

const faults: readonly Fault[] = [
  {
    name: 'a room is forgotten by its key after waiting, whoever is in it by then',
    edits: [
      {
        file: 'server/room-table.ts',
        right: 'if (this.#remove(unused)) unused.close();',
        broken: 'void this.#parts.log.roomState(id).then(() => this.#rooms.delete(id));',
      },
    ],
    finds: /WRONG: /,
  },
  {
    name: 'what was accepted is set back to what is stored when one more message is refused',
    edits: [
      {
        file: 'server/publisher.ts',
        right: '    this.refuse(`This room has reached',
        broken: '    this.#number.accepted = this.#number.stored.n;\n    this.refuse(`This room has reached',
      },
    ],
    finds: /WRONG: /,
  },
  {
    name: 'after a failed append with messages waiting all wait for ever, who joins and who stops the server too',
    edits: [
      {
        file: 'server/room-writer.ts',
        right: "    } else if (code === 'LOG_FULL') {\n",
        broken:
          "    } else if (code === 'LOG_FULL' && this.#waiting.length > 0) {\n" +
          '      this.#storing = undefined;\n' +
          "    } else if (code === 'LOG_FULL') {\n",
      },
      // What bounds such waiting today.
      {
        file: 'server/chat-server.ts',
        right: "await this.#inTime('storing what came in', this.#rooms.settled());",
        broken: 'await this.#rooms.settled();',
      },
      {
        file: 'server/client-connection.ts',
        right: "this.#state === 'busy' && this.#silence.age(now) >= helloTimeoutMs",
        broken: 'false',
      },
    ],
    finds: /WRONG: (the server does not stop|.* does not come to rest)/,
  },
  {
    name: 'a member is forgotten while the writer has messages of it that others have stored',
    edits: [
      {
        file: 'server/member-numbers.ts',
        right: '    number.accepted = Math.max(number.accepted, last.n);\n',
        broken:
          '    number.accepted = Math.max(number.accepted, last.n);\n' +
          '    if (number.holders === 0 && number.accepted === number.stored.n) this.#members.delete(member);\n',
      },
    ],
    finds: /WRONG: /,
  },
  {
    name: 'what waits to be stored is not looked through when others have stored something',
    edits: [
      {
        file: 'server/room-writer.ts',
        right: 'if (overtaken) this.#appendNew(batch);',
        broken: 'if (overtaken) this.#append(batch);',
      },
    ],
    finds: /WRONG: /,
  },
];

describe('the simulator', () => {
  for (const { name, edits, finds } of faults) {
    test(`finds that ${name}`, () => {
      using directory = new TemporaryDirectory();
      const source = copyOfSource(directory.path);
      for (const { file, right, broken } of edits) {
        const text = readFileSync(join(source, file), 'utf8');
        assert.equal(text.split(right).length, 2, `${file} has changed: put the fault back in another way`);
        writeFileSync(join(source, file), text.replace(right, broken));
      }
      const { status, stdout, stderr } = simulate(directory.path);
      assert.equal(status, 1, `not found in ${SEEDS} runs\n${stdout}${stderr}`);
      assert.match(stdout, finds);
    });
  }

  test('finds nothing in a copy in which nothing is changed', () => {
    using directory = new TemporaryDirectory();
    copyOfSource(directory.path);
    const { status, stdout } = simulate(directory.path);
    assert.equal(status, 0, stdout);
  });
});

/** Copies what the simulator runs. @returns where the source of the chat is in it */
function copyOfSource(directory: string): string {
  mkdirSync(join(directory, 'packages'));
  cpSync(join(root, 'packages/chat'), join(directory, 'packages/chat'), { recursive: true });
  cpSync(join(root, 'scripts'), join(directory, 'scripts'), { recursive: true });
  for (const shared of ['node_modules', 'packages/cryptodev']) {
    symlinkSync(join(root, shared), join(directory, shared));
  }
  return join(directory, 'packages/chat/src');
}

function simulate(directory: string) {
  const script = join(directory, 'scripts/simulate.ts');
  return spawnSync(process.execPath, [script, '--seeds', String(SEEDS), '--first'], { encoding: 'utf8' });
}
