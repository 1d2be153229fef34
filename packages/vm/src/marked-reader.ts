/**
 * Cuts a stream of bytes at a mark: bytes that are passed on, the mark, and a line of text after it. How the
 * output of a command in the guest is told from the word that it has ended.
 */
export interface MarkedPart {
  /** Not a part of any output by chance: random where outputs may contain anything. */
  readonly mark: string;
  /** The bytes before the mark, as they come. */
  onData(bytes: Buffer): void;
  /** The text after the mark, up to the end of the line. */
  onMark(line: string): void;
}

/** More than the guest's agent ever writes after a mark. */
const longestLine = 100;

export class MarkedReader {
  #part: MarkedPart | undefined;
  #mark: Buffer = Buffer.alloc(0);
  #rest: Buffer = Buffer.alloc(0);

  /** What to look for next. Bytes that arrive while nothing is expected are dropped. */
  expect(part: MarkedPart): void {
    this.#part = part;
    this.#mark = Buffer.from(part.mark);
    this.#rest = Buffer.alloc(0);
  }

  push(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#part !== undefined) {
      const part = this.#part;
      const at = bytes.indexOf(this.#mark);
      const end = at === -1 ? bytes.length - this.#beginning(bytes) : at;
      if (end > 0) part.onData(bytes.subarray(0, end));
      this.#rest = bytes.subarray(end);
      if (at === -1) return;
      const line = this.#rest.subarray(this.#mark.length, this.#mark.length + longestLine);
      const length = line.indexOf('\n');
      if (length === -1 && line.length < longestLine) return; // the rest of the line is still to come
      const used = this.#mark.length + (length === -1 ? 0 : length + 1);
      bytes = this.#rest.subarray(used);
      this.#rest = Buffer.alloc(0);
      this.#part = length === -1 ? part : undefined;
      if (length !== -1) part.onMark(line.subarray(0, length).toString());
    }
  }

  /** How many of the last bytes may be the beginning of a mark. */
  #beginning(bytes: Buffer): number {
    for (let length = Math.min(this.#mark.length - 1, bytes.length); length > 0; length--)
      if (bytes.subarray(-length).equals(this.#mark.subarray(0, length))) return length;
    return 0;
  }
}
