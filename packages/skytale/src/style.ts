/** Colours, where the stream is a terminal that wants them (NO_COLOR and FORCE_COLOR are heeded). */
import { styleText } from 'node:util';

type Format = Parameters<typeof styleText>[0];
export type Style = (format: Format, text: string) => string;

export const styleFor =
  (stream: NodeJS.WriteStream): Style =>
  (format, text) =>
    styleText(format, text, { stream });
