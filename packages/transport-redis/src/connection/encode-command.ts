/** Commands as the server reads them. */

/** Bytes behind a text, as one argument. */
export interface HeadedBody {
  readonly head: string;
  readonly body: Buffer;
}

export type Argument = string | number | Buffer | HeadedBody;

/** The end of an argument and the length of the next one, by that length: most arguments are short. */
const SEPARATORS: readonly string[] = Array.from({ length: 1_024 }, (_, length) => `\r\n$${length}\r\n`);

/** The command and its arguments, each behind its length, in one piece. */
export function encodeCommand(name: string, args: readonly Argument[]): Buffer {
  const parts: (string | Buffer)[] = [];
  let text = `*${args.length + 1}${separator(name.length)}${name}`;
  let size = 0;
  let isAscii = true;
  for (const arg of args) {
    const own = textOf(arg);
    const length = Buffer.byteLength(own);
    if (length !== own.length) {
      isAscii = false;
      size += length - own.length;
    }
    const bytes = bytesOf(arg);
    if (bytes === undefined) {
      text += separator(length) + own;
      continue;
    }
    text += separator(length + bytes.length) + own;
    size += text.length + bytes.length;
    parts.push(text, bytes);
    text = '';
  }
  parts.push(`${text}\r\n`);
  return join(parts, size + text.length + 2, isAscii ? 'latin1' : 'utf8');
}

function separator(length: number): string {
  return SEPARATORS[length] ?? `\r\n$${length}\r\n`;
}

function textOf(arg: Argument): string {
  if (typeof arg === 'string') return arg;
  if (typeof arg === 'number') return String(arg);
  return Buffer.isBuffer(arg) ? '' : arg.head;
}

function bytesOf(arg: Argument): Buffer | undefined {
  if (typeof arg !== 'object') return undefined;
  return Buffer.isBuffer(arg) ? arg : arg.body;
}

function join(parts: readonly (string | Buffer)[], size: number, encoding: 'latin1' | 'utf8'): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const part of parts) {
    at += typeof part === 'string' ? bytes.write(part, at, encoding) : part.copy(bytes, at);
  }
  return bytes;
}
