/** The client in a real terminal, as somebody who sits at it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FrameType } from '../packages/chat/src/protocol/frames.ts';
import { TemporaryDirectory } from './support/directory.ts';
import { HostileProxy, typeOf, type WireFrame } from './support/hostile-proxy.ts';
import { invite, Program, run, Server, throughAddress } from './support/programs.ts';
import { Terminal } from './support/terminal.ts';

const main = fileURLToPath(new URL('../packages/skytale/src/main.ts', import.meta.url));

/** A server, a room, and bob in a pipe whom the test lets speak. */
class Scene implements AsyncDisposable {
  readonly directory = new TemporaryDirectory();
  server!: Server;
  link = '';
  bob!: Program;

  static async open(): Promise<Scene> {
    const scene = new Scene();
    scene.server = await Server.start(scene.directory.join('data'));
    scene.link = await invite(scene.server.address);
    scene.bob = new Program(['chat', scene.link, '--name', 'bob', '--state', scene.directory.join('bob')]);
    return scene;
  }

  /** The command that alice types. */
  get command(): string {
    const chat = `"${process.execPath}" "${main}" chat "$1" --name alice --state "$2"`;
    const pid = this.directory.join('pid');
    return `sh -c 'echo $$ >${pid}; exec ${chat}' - '${this.link}' '${this.directory.join('alice')}'`;
  }

  bobSays(text: string): void {
    this.bob.stdin.write(`${text}\n`);
  }

  read(file: string): string {
    return readFileSync(this.directory.join(file), 'utf8');
  }

  /** A server that does not know the room any more: the client has to give up. */
  async loseServerData(): Promise<void> {
    await this.server.crash();
    rmSync(this.directory.join('data'), { recursive: true });
    await this.restartServer();
  }

  async restartServer(...more: string[]): Promise<void> {
    await this.server.crash();
    this.server = await Server.start(this.directory.join('data'), this.server.address, ...more);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bob[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
    this.directory[Symbol.dispose]();
  }
}

/** Starts alice's client in a terminal and waits until she is in the room. */
async function enter(scene: Scene, terminal: Terminal): Promise<void> {
  await terminal.screenShows(/^\$\s*$/m);
  terminal.type(scene.command);
  terminal.press('Enter');
  await terminal.screenShows(/connected, with/);
}

describe('the client in a terminal', { timeout: 300_000 }, () => {
  it('keeps the input line while messages arrive, and says who is who', async () => {
    await using scene = await Scene.open();
    using terminal = new Terminal(80, 24);
    scene.bobSays('first words');
    await enter(scene, terminal);
    await terminal.shows(/\d\d:\d\d bob {2}first words/);

    terminal.type('half a sen');
    await terminal.screenShows(/alice> half a sen$/m);
    scene.bobSays('an interruption');
    const screen = await terminal.screenShows(/bob {2}an interruption/);
    assert.match(screen, /an interruption\n── connected, with bob ─+\nalice> half a sen\n/);
    terminal.type('tence');
    terminal.press('Enter');
    await terminal.shows(/\d\d:\d\d alice {2}half a sentence/);
    await terminal.screenShows(/alice>\s*$/);
    await scene.bob.line(0);
    assert.equal(scene.bob.lines[0], 'half a sentence');

    terminal.type('/who');
    terminal.press('Enter');
    await terminal.shows(/Here, .*: alice \(you\), bob\./);
    terminal.type('/verify bob');
    terminal.press('Enter');
    await terminal.shows(/you and bob:\n( +\d{5}){6}\n( +\d{5}){6}/);
    terminal.type('/help');
    terminal.press('Enter');
    await terminal.shows(/\/verify \[NAME\]/);

    scene.bob.stdin.end();
    await terminal.shows(/← left: bob/);
    terminal.type('/quit');
    terminal.press('Enter');
    await terminal.screenShows(/^\$\s*$/m);
  });

  it('shows at each start what cannot be sent, until that is discarded', async () => {
    await using scene = await Scene.open();
    await scene.restartServer('--max-frame', '1KiB');
    using terminal = new Terminal(80, 24);
    await enter(scene, terminal);
    terminal.paste('much '.repeat(300));
    terminal.press('Enter');
    const told = /Not sent: .* too long .*It was:\s+much/s;
    await terminal.shows(told);
    for (const [round, shown] of [
      [1, true],
      [2, true],
      [3, false],
    ] as const) {
      terminal.press('C-d');
      await terminal.screenShows(/^\$\s*$/m);
      terminal.type('clear');
      terminal.press('Enter');
      await terminal.screenShows(/^\$\s*$/);
      terminal.clearHistory();
      await enter(scene, terminal);
      assert.equal(told.test(terminal.text()), shown, `start ${round}`);
      if (round !== 2) continue;
      terminal.type('/discard');
      terminal.press('Enter');
      await terminal.shows(/It is forgotten\./);
    }
  });

  it('names those who have not spoken', async () => {
    await using scene = await Scene.open();
    using terminal = new Terminal(80, 24);
    await enter(scene, terminal);
    using other = new Terminal(80, 24);
    await other.screenShows(/^\$\s*$/m);
    const state = scene.directory.join('carol');
    other.type(`"${process.execPath}" "${main}" chat '${scene.link}' --name carol --state '${state}'`);
    other.press('Enter');
    await terminal.shows(/→ came: carol\n/);
    terminal.type('/who');
    terminal.press('Enter');
    await terminal.shows(/Here, .*: alice \(you\),.* carol/);
    await other.screenShows(/connected, with .*alice/);
    other.press('C-d');
    await terminal.shows(/← left: carol/);
    // It was no message: nobody in a pipe saw one.
    assert.deepEqual(scene.bob.lines, []);
  });

  it('shows what was said last when one comes back, and where the new begins', async () => {
    await using scene = await Scene.open();
    using terminal = new Terminal(80, 24);
    scene.bobSays('long ago');
    await enter(scene, terminal);
    await terminal.shows(/bob {2}long ago/);
    terminal.type('my words');
    terminal.press('Enter');
    await terminal.shows(/alice {2}my words/);
    terminal.press('C-d');
    await terminal.screenShows(/^\$\s*$/m);

    terminal.type('clear');
    terminal.press('Enter');
    await enter(scene, terminal);
    await terminal.screenShows(/bob {2}long ago\n.*alice {2}my words\n── nothing new ──\n/);
    terminal.press('C-d');
    await terminal.screenShows(/^\$\s*$/m);
    const carol = ['--name', 'carol', '--state', scene.directory.join('carol')];
    assert.equal((await run(['chat', scene.link, ...carol], { input: 'meanwhile\n' })).code, 0);
    terminal.type('clear');
    terminal.press('Enter');
    await enter(scene, terminal);
    await terminal.screenShows(/long ago\n.*my words\n── new ──\n.*carol {2}meanwhile\n/);
    assert.doesNotMatch(terminal.screen(), /came:|left:/);
  });

  it('hides a member for good, until it is shown again', async () => {
    await using scene = await Scene.open();
    using terminal = new Terminal(80, 24);
    scene.bobSays('heard');
    await enter(scene, terminal);
    await terminal.shows(/bob {2}heard/);
    terminal.type('/hide bob');
    terminal.press('Enter');
    await terminal.shows(/bob is hidden, for you only\./);
    const carol = ['--name', 'carol', '--state', scene.directory.join('carol')];
    const say = (text: string) => run(['chat', scene.link, ...carol], { input: `${text}\n` });
    scene.bobSays('unheard');
    await say('behind that');
    await terminal.shows(/carol {2}behind that/);
    terminal.press('C-d');
    await terminal.screenShows(/^\$\s*$/m);
    await enter(scene, terminal);
    terminal.type('/show bob');
    terminal.press('Enter');
    await terminal.shows(/bob is shown again, from now on\./);
    assert.doesNotMatch(terminal.text(), /unheard/);
    scene.bobSays('heard again');
    await terminal.shows(/bob {2}heard again/);
  });

  it('forgets a room, and is a new member when it comes back', async () => {
    await using scene = await Scene.open();
    using terminal = new Terminal(80, 24);
    await enter(scene, terminal);
    terminal.type('my words');
    terminal.press('Enter');
    await terminal.shows(/alice {2}my words/);
    terminal.type('/forget');
    terminal.press('Enter');
    await terminal.shows(/To go on type: \/forget yes/);
    const states = () => readdirSync(scene.directory.join('alice'), { recursive: true, withFileTypes: true });
    assert.ok(states().some((entry) => entry.isFile()));
    terminal.type('/forget yes');
    terminal.press('Enter');
    await terminal.screenShows(/The room is forgotten here\.\s+\$\s*$/);
    assert.deepEqual(
      states().filter((entry) => entry.isFile()),
      [],
    );
    terminal.type('clear');
    terminal.press('Enter');
    await enter(scene, terminal);
    terminal.type('/who');
    terminal.press('Enter');
    await terminal.shows(/Here, .*: alice~[0-9a-f]{6} \(you\)/);
  });

  it('edits: arrows, words, history, pastes, wide characters, a narrow window', async () => {
    await using scene = await Scene.open();
    using terminal = new Terminal(80, 24);
    await enter(scene, terminal);
    terminal.type('日本 👩 ok');
    terminal.press('Left', 'Left', 'Left', 'BSpace');
    terminal.type('語');
    terminal.press('C-a');
    terminal.type('>');
    terminal.press('C-e');
    terminal.type(' wrong');
    terminal.press('C-w', 'Enter');
    await terminal.shows(/alice {2}>日本 語 ok/);
    terminal.press('Up');
    terminal.type('again');
    terminal.press('Enter');
    await terminal.shows(/alice {2}>日本 語 ok again/);

    terminal.paste('line one\nline two\nline three');
    await terminal.screenShows(/alice> line one\n {7}line two\n {7}line three/);
    terminal.resize(40, 24);
    await terminal.screenShows(/alice> line one\n {7}line two\n {7}line three/);
    terminal.resize(100, 30);
    const screen = await terminal.screenShows(/alice> line one\n {7}line two\n {7}line three/);
    assert.equal(screen.match(/line two/g)!.length, 1, screen);
    assert.equal(screen.match(/── connected/g)!.length, 1, screen);
    terminal.press('Enter');
    await scene.bob.until(() => scene.bob.lines.length >= 3, 'three messages');
    assert.deepEqual(scene.bob.lines.slice(1), ['>日本 語 ok again', 'line one\\nline two\\nline three']);

    terminal.type('draft');
    terminal.paste('x'.repeat(66_000));
    await terminal.shows(
      /Not taken: with it the text has 66005\s+bytes, and a message has at most\s+65536\./,
    );
    await terminal.screenShows(/alice> draft$/m);
    terminal.press('BSpace', 'Enter');
    await terminal.shows(/alice {2}draf$/m);
  });

  it('marks what is not sent while the server is away', async () => {
    await using scene = await Scene.open();
    using terminal = new Terminal(80, 24);
    await enter(scene, terminal);
    await scene.server.crash();
    await terminal.screenShows(/── (offline|connecting)/);
    terminal.type('into the void');
    terminal.press('Enter');
    await terminal.screenShows(/not sent yet: into the void\n── /);
    await scene.restartServer();
    await terminal.shows(/\d\d:\d\d alice {2}into the void/);
    await terminal.screenLacks(/not sent yet/);
    await scene.bob.line(0);
    assert.deepEqual(scene.bob.lines, ['into the void']);

    // What cannot be sent before one leaves goes out the next time.
    await scene.server.crash();
    await terminal.screenShows(/── (offline|connecting)/);
    terminal.type('later');
    terminal.press('Enter');
    await terminal.screenShows(/not sent yet: later/);
    terminal.press('C-d');
    await terminal.shows(/One message is not sent yet\. Kept here/);
    await terminal.screenShows(/^\$\s*$/m);
    await scene.restartServer();
    terminal.type(scene.command);
    terminal.press('Enter');
    await scene.bob.line(1);
    assert.deepEqual(scene.bob.lines, ['into the void', 'later']);
  });

  it('says what it waits for when one leaves, and leaves at the second Ctrl-C', async () => {
    await using scene = await Scene.open();
    let silent = false;
    const toClient = (frame: WireFrame) => (silent && typeOf(frame) === FrameType.ack ? [] : [frame]);
    await using proxy = await HostileProxy.start(scene.server.address, () => ({ toClient }));
    scene.link = throughAddress(scene.link, proxy.address);
    using terminal = new Terminal(80, 24);
    await enter(scene, terminal);
    terminal.type('acknowledged');
    terminal.press('Enter');
    await terminal.shows(/\d\d:\d\d alice {2}acknowledged/);
    silent = true;
    terminal.type('never so');
    terminal.press('Enter');
    await scene.bob.line(1);
    terminal.press('C-c');
    await terminal.shows(
      /Leaving; waiting for 1 message \(Ctrl-C again to leave now; it is kept and sent\s+next time\)/,
    );
    terminal.press('C-c');
    await terminal.screenShows(/One message is not sent yet\. Kept here[\s\S]*^\$\s*$/m);
  });

  it('shows what others write without obeying it', async () => {
    await using scene = await Scene.open();
    using terminal = new Terminal(80, 24);
    await enter(scene, terminal);
    scene.bobSays('\x1b[2J\x1b[31mred\x1b]0;owned\x07 \u202egnp.exe \x9b5A');
    await terminal.shows(/bob {2}\\x1b\[2J\\x1b\[31mred\\x1b\]0;owned\\x07 gnp\.exe \\x9b5A/);
    assert.match(terminal.screen(), /── connected, with bob/);
  });

  const endings: readonly [string, (scene: Scene, terminal: Terminal) => unknown, number][] = [
    ['on Ctrl-C', (_scene, terminal) => terminal.press('C-c'), 130],
    ['on Ctrl-D', (_scene, terminal) => terminal.press('C-d'), 0],
    ['on SIGTERM', (scene) => process.kill(Number(scene.read('pid')), 'SIGTERM'), 143],
    ['on an error', (scene) => scene.loseServerData(), 1],
  ];
  for (const [when, end, status] of endings) {
    it(`leaves the terminal as it was ${when}`, async () => {
      await using scene = await Scene.open();
      using terminal = new Terminal(80, 24);
      await terminal.screenShows(/^\$\s*$/m);
      terminal.type(`cd '${scene.directory.path}' && stty -g >before && clear`);
      terminal.press('Enter');
      await enter(scene, terminal);
      await end(scene, terminal);
      await terminal.screenShows(/^\$\s*$/m);
      terminal.type('echo status=$?; stty -g | cmp - before && echo same=yes');
      terminal.press('Enter');
      const text = await terminal.shows(/^same=yes$/m);
      assert.match(text, new RegExp(`^status=${status}$`, 'm'));
      if (status === 1) assert.match(text, /^skytale: This server does not know the room\./m);
      assert.equal(terminal.cursor().visible, true);
      assert.doesNotMatch(terminal.screen(), /── connected/);
    });
  }
});
