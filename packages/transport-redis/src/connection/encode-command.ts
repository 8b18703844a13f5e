/** Commands as the server reads them. */

/** Bytes behind a text, as one argument. */
export interface HeadedBody {
  readonly head: string;
  readonly body: Buffer;
}

export type Argument = string | number | Buffer | HeadedBody;

/** The command and its arguments, each behind its length, in one piece. */
export function encodeCommand(name: string, args: readonly Argument[]): Buffer {
  const parts: (string | Buffer)[] = [];
  let text = `*${args.length + 1}\r\n$${name.length}\r\n${name}\r\n`;
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
      text += `$${length}\r\n${own}\r\n`;
      continue;
    }
    text += `$${length + bytes.length}\r\n${own}`;
    size += text.length + bytes.length;
    parts.push(text, bytes);
    text = '\r\n';
  }
  parts.push(text);
  return join(parts, size + text.length, isAscii ? 'latin1' : 'utf8');
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
