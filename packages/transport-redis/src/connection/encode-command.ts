/** Commands as the server reads them. */

export type Argument = string | number | Buffer;

/** The command and its arguments, each behind its length, in one piece. */
export function encodeCommand(name: string, args: readonly Argument[]): Buffer {
  const parts: (string | Buffer)[] = [];
  let text = `*${args.length + 1}\r\n$${name.length}\r\n${name}\r\n`;
  let size = 0;
  let isAscii = true;
  for (const arg of args) {
    if (typeof arg === 'object') {
      text += `$${arg.length}\r\n`;
      size += text.length + arg.length;
      parts.push(text, arg);
      text = '\r\n';
      continue;
    }
    const own = typeof arg === 'string' ? arg : String(arg);
    const length = Buffer.byteLength(own);
    if (length !== own.length) {
      isAscii = false;
      size += length - own.length;
    }
    text += `$${length}\r\n${own}\r\n`;
  }
  parts.push(text);
  return join(parts, size + text.length, isAscii ? 'latin1' : 'utf8');
}

function join(parts: readonly (string | Buffer)[], size: number, encoding: 'latin1' | 'utf8'): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const part of parts) {
    at += typeof part === 'string' ? bytes.write(part, at, encoding) : part.copy(bytes, at);
  }
  return bytes;
}
