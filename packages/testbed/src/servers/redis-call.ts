// A minimal Redis client to configure and inspect servers, with one connection per call.
import { once } from 'node:events';
import { connect } from 'node:net';

/** A reply of Redis. */
export type RedisReply = string | number | null | readonly RedisReply[];

/** Sends commands in order over a Unix socket. Resolves with the last reply. Rejects with the first error. */
export async function callRedis(path: string, ...commands: readonly (readonly string[])[]): Promise<RedisReply> {
  const socket = connect({ path });
  try {
    await once(socket, 'connect');
    socket.setTimeout(5_000, () => socket.destroy(new Error('no answer within 5 s')));
    socket.write(commands.map(toRequest).join(''));
    let text = '';
    for await (const chunk of socket.setEncoding('latin1')) {
      text += chunk;
      const replies = readAll(text);
      if (replies.length >= commands.length) return replies.at(-1) ?? null;
    }
    throw new Error('the server closed the connection');
  } finally {
    socket.destroy();
  }
}

function toRequest(command: readonly string[]): string {
  const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
  return `*${command.length}\r\n${parts.join('')}`;
}

/** Parses the complete replies. */
function readAll(text: string): RedisReply[] {
  const replies: RedisReply[] = [];
  for (let at: number | undefined = 0; at !== undefined && at < text.length; ) {
    const read = readReply(text, at);
    if (read) replies.push(read.reply);
    at = read?.end;
  }
  return replies;
}

interface Read {
  readonly reply: RedisReply;
  readonly end: number;
}

function readReply(text: string, at: number): Read | undefined {
  const lineEnd = text.indexOf('\r\n', at);
  if (lineEnd < 0) return undefined;
  const line = text.slice(at + 1, lineEnd);
  const end = lineEnd + 2;
  switch (text[at]) {
    case '-':
      throw new Error(line);
    case ':':
      return { reply: Number(line), end };
    case '$':
      return readBulk(text, end, Number(line));
    case '*':
      return readArray(text, end, Number(line));
    default:
      return { reply: line, end };
  }
}

/** Read as Latin-1: one character per byte. */
function readBulk(text: string, at: number, bytes: number): Read | undefined {
  if (bytes < 0) return { reply: null, end: at };
  const end = at + bytes;
  if (text.length < end + 2) return undefined;
  return { reply: Buffer.from(text.slice(at, end), 'latin1').toString(), end: end + 2 };
}

function readArray(text: string, at: number, count: number): Read | undefined {
  const replies: RedisReply[] = [];
  let end = at;
  for (let n = 0; n < count; n++) {
    const read = readReply(text, end);
    if (!read) return undefined;
    replies.push(read.reply);
    end = read.end;
  }
  return { reply: replies, end };
}
