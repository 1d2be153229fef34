import type { Socket } from 'node:net';

/**
 * The lines that come by a socket, in UTF-8, without their ends. One line at a time: nothing is read while one is being
 * worked on, so that what is kept is one piece and one line at the most. A line that is longer than `longest` bytes, or
 * that does not end, destroys the socket.
 */
export async function* linesOf(socket: Socket, longest: number): AsyncGenerator<string> {
  let unfinished = Buffer.alloc(0);
  for await (const piece of socket as AsyncIterable<Buffer>) {
    unfinished = Buffer.concat([unfinished, piece]);
    for (let end = unfinished.indexOf(0x0a); end >= 0; end = unfinished.indexOf(0x0a)) {
      if (end > longest) break;
      yield unfinished.toString('utf8', 0, end);
      unfinished = unfinished.subarray(end + 1);
    }
    if (unfinished.length > longest) break;
  }
  socket.destroy();
}
