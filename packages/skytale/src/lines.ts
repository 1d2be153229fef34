/** Cuts a stream of bytes into lines, in bounded memory. */
import { CommandError } from './command-error.ts';

/**
 * The lines of a stream, each exactly as it stands without its line ending (LF or CR LF). A last line
 * without one counts; an empty line is an empty text.
 * @param longest bytes of UTF-8 in one line
 * @throws {CommandError} if a line is longer, or is not UTF-8; it names the line
 */
export async function* readLines(
  input: AsyncIterable<Uint8Array>,
  longest: number,
): AsyncGenerator<string, void> {
  let number = 1;
  let parts: Uint8Array[] = [];
  let length = 0;
  const add = (part: Uint8Array) => {
    length += part.length;
    // One more for the CR that may belong to the line's end.
    if (length > longest + 1) throw tooLong(number, longest);
    parts.push(part);
  };
  const take = (): string => {
    const line = decode(Buffer.concat(parts, length), number, longest);
    number += 1;
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      add(chunk.subarray(start, end));
      start = end + 1;
      yield take();
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (length > 0) yield take();
}

const tooLong = (number: number, longest: number) =>
  new CommandError(
    `Line ${number} of standard input is longer than ${longest} bytes, the most that fits in a message. Cut it up.`,
  );

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(bytes: Buffer, number: number, longest: number): string {
  const line = bytes.at(-1) === 13 ? bytes.subarray(0, -1) : bytes;
  if (line.length > longest) throw tooLong(number, longest);
  try {
    return utf8.decode(line);
  } catch (cause) {
    throw new CommandError(
      `Line ${number} of standard input is not UTF-8. Convert it, with iconv for one.`,
      1,
      {
        cause,
      },
    );
  }
}
