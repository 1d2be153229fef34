import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChatError } from '@skytale/chat';
import { CryptoError } from '@skytale/cryptodev';
import { CommandError, UsageError } from './command-error.ts';
import { exitCodeFor, explain } from './explain.ts';

function systemError(code: string, rest: object = {}): Error {
  return Object.assign(new Error(`${code}: something happened`), { code, ...rest });
}

describe('an explanation', () => {
  it('is one line, and a sentence', () => {
    assert.equal(explain(new Error('This is one.\n  And another.')), 'This is one. And another.');
    assert.equal(
      explain(new CryptoError('CRYPTO_UNAVAILABLE', 'the engine rot13 does not work here')),
      'The engine rot13 does not work here.',
    );
    assert.equal(explain(new Error('/dev/crypto: no such file')), '/dev/crypto: no such file.');
    assert.equal(explain('something else'), 'something else');
  });

  it('has words for what the system refuses', () => {
    assert.equal(
      explain(systemError('ENOENT', { path: '/nowhere' })),
      'There is no file /nowhere. Is the path right?',
    );
    assert.match(explain(systemError('ENOSPC')), /^No space left\. /);
    assert.match(explain(systemError('EACCES', { path: '/root' })), /^No permission for \/root\. /);
    assert.equal(explain(systemError('ENOENT')), 'ENOENT: something happened.');
  });

  it('names the option that changes it', () => {
    const taken = Object.assign(new Error('The port is taken.'), { code: 'SERVER_PORT_TAKEN' });
    assert.equal(explain(taken), 'The port is taken. (--listen and --http say where)');
    const setting = systemError('SERVER_INVALID_SETTING');
    setting.message = 'Setting maxRooms: too many.';
    assert.equal(explain(setting), '--max-rooms: too many.');
    const cause = systemError('DEPTH_ZERO_SELF_SIGNED_CERT');
    const untrusted = new ChatError('CHAT_UNREACHABLE', 'It cannot be reached.', { cause });
    assert.match(explain(untrusted), /^It cannot be reached\. \(--ca-file names/);
    assert.equal(
      explain(new ChatError('CHAT_UNREACHABLE', 'It cannot be reached.')),
      'It cannot be reached.',
    );
  });
});

it('the exit code tells a wrong command line from what went wrong later', () => {
  assert.equal(exitCodeFor(new UsageError('No.')), 2);
  assert.equal(exitCodeFor(new CommandError('No.', 130)), 130);
  assert.equal(exitCodeFor(new Error('No.')), 1);
  for (const code of ['SERVER_INVALID_SETTING', 'INVITE_CHANGED', 'CHAT_NAME_INVALID']) {
    assert.equal(exitCodeFor(systemError(code)), 2, code);
  }
  for (const code of ['SERVER_PORT_TAKEN', 'CHAT_UNREACHABLE', 'ENOENT']) {
    assert.equal(exitCodeFor(systemError(code)), 1, code);
  }
});
