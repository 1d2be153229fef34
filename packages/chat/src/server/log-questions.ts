import { ProtocolError } from '../protocol/protocol-error.ts';

/** Questions that the log may owe an answer to: each costs about a kilobyte. */
const MAX_QUESTIONS = 32_768;

/**
 * Questions to the message log (states, last numbers, reading). Whoever asks stops waiting after a time of its own, and
 * the question remains: from a log that never answers, new connections would gather them without end. So there is a bound.
 */
export class LogQuestions {
  #open = 0;

  /** Those that were not answered yet. */
  get open(): number {
    return this.#open;
  }

  /** Rejects as the question does, or with ProtocolError SERVER_FAILURE if there are too many. */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    if (this.#open >= MAX_QUESTIONS) {
      throw new ProtocolError('SERVER_FAILURE', 'The server cannot read its log at the moment.');
    }
    this.#open += 1;
    try {
      return await question();
    } finally {
      this.#open -= 1;
    }
  }
}
