/** Cuts a stream into lines, in bounded memory, and loses nothing of it. */

/** A line as it stands, without its line ending (LF or CR LF); or one that no message can carry. */
export type Line = { readonly number: number; readonly bytes: number } & (
  | { readonly text: string }
  | {
      readonly problem: 'too long' | 'not UTF-8';
      /** Its first bytes, to say which it is. All of it was set aside. */
      readonly start: Uint8Array;
    }
);

/** Enough to recognize a line by. */
const START_BYTES = 160;
const LF = 10;
const CR = 13;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class LineReader {
  readonly #input: AsyncIterable<Uint8Array>;
  readonly #longest: number;
  readonly #setAside: (bytes: Uint8Array) => void;
  /** Of the line that is being read, unless it is being set aside. */
  #parts: Uint8Array[] = [];
  #length = 0;
  #number = 1;
  /** Of a line that is too long already. */
  #start: Uint8Array | undefined;
  /** Of the last chunk, what is not in any line yet. */
  #ahead: Uint8Array = new Uint8Array(0);

  /**
   * @param longest bytes of UTF-8 in one line; memory stays within twice that and a chunk of the input
   * @param setAside takes the bytes of lines that no message can carry, in order, line endings included, as they are read; if it
   *   throws, so does the iteration, and these bytes are not in `takeRest`
   */
  constructor(input: AsyncIterable<Uint8Array>, longest: number, setAside: (bytes: Uint8Array) => void) {
    this.#input = input;
    this.#longest = longest;
    this.#setAside = setAside;
  }

  /** The lines, once. A last line without an ending counts; an empty line is an empty text. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Line, void> {
    for await (const chunk of this.#input) {
      this.#ahead = chunk;
      for (let end = chunk.indexOf(LF); end !== -1; end = this.#ahead.indexOf(LF)) {
        const part = this.#ahead.subarray(0, end + 1);
        this.#ahead = this.#ahead.subarray(end + 1);
        this.#add(part);
        yield this.#take();
      }
      const rest = this.#ahead;
      this.#ahead = new Uint8Array(0);
      this.#add(rest);
    }
    if (this.#length > 0) yield this.#take();
  }

  /** What was read and is in no line that was handed out; for when the rest is not wanted any more. */
  takeRest(): Uint8Array {
    const rest = Buffer.concat([...this.#parts, this.#ahead]);
    this.#parts = [];
    this.#ahead = new Uint8Array(0);
    return rest;
  }

  #add(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#start !== undefined) {
      this.#setAside(part);
      return;
    }
    this.#parts.push(part);
    // Two more for the line's ending.
    if (this.#length > this.#longest + 2) this.#giveUp(Buffer.concat(this.#parts));
  }

  /** From here on the line goes aside as it comes. */
  #giveUp(bytes: Uint8Array): void {
    this.#start = Uint8Array.from(bytes.subarray(0, START_BYTES));
    this.#parts = [];
    this.#setAside(bytes);
  }

  #take(): Line {
    const line = this.#judge();
    this.#number += 1;
    this.#parts = [];
    this.#length = 0;
    this.#start = undefined;
    return line;
  }

  #judge(): Line {
    const number = this.#number;
    if (this.#start !== undefined) {
      return { number, bytes: this.#length, problem: 'too long', start: this.#start };
    }
    const whole = Buffer.concat(this.#parts);
    const content = withoutEnding(whole);
    const bytes = content.length;
    try {
      if (bytes <= this.#longest) return { number, bytes, text: utf8.decode(content) };
    } catch {
      this.#giveUp(whole);
      return { number, bytes, problem: 'not UTF-8', start: this.#start! };
    }
    this.#giveUp(whole);
    return { number, bytes, problem: 'too long', start: this.#start! };
  }
}

/** A CR belongs to the ending of the last line too, where no LF follows. */
function withoutEnding(line: Uint8Array): Uint8Array {
  const content = line.at(-1) === LF ? line.subarray(0, -1) : line;
  return content.at(-1) === CR ? content.subarray(0, -1) : content;
}
