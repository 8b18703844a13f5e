/** Bare sockets of Node: JSON in frames over a Unix socket, straight from process to process, without a hub. */

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Client, Place } from '../client.ts';

/** The length of the frame, and the number of its request. */
const HEADER_BYTES = 8;

type OnFrame = (id: number, value: unknown) => void;

export async function open({ folder }: Place): Promise<Client> {
  const path = `${folder}/bare.sock`;
  const waiting = new Map<number, (value: unknown) => void>();
  let server: Server | undefined;
  let socket: Socket | undefined;
  let asked = 0;
  return {
    async answer() {
      server = createServer((asker) => readFrames(asker, (id, value) => write(asker, id, (value as number) * 2)));
      await once(server.listen(path), 'listening');
    },
    async ask(value) {
      socket ??= dial(path, waiting);
      asked += 1;
      write(socket, asked, value);
      return new Promise((resolve) => waiting.set(asked, resolve));
    },
    async close() {
      socket?.destroy();
      server?.close();
    },
  };
}

function dial(path: string, waiting: Map<number, (value: unknown) => void>): Socket {
  const socket = connect(path);
  readFrames(socket, (id, value) => {
    waiting.get(id)?.(value);
    waiting.delete(id);
  });
  return socket;
}

/** Frames of one turn leave together. */
function write(socket: Socket, id: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32LE(HEADER_BYTES + body.length, 0);
  header.writeUInt32LE(id, 4);
  if (socket.writableCorked === 0) {
    socket.cork();
    process.nextTick(() => socket.uncork());
  }
  socket.write(Buffer.concat([header, body]));
}

function readFrames(socket: Socket, onFrame: OnFrame): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= HEADER_BYTES && rest.length >= rest.readUInt32LE(0)) {
      const end = rest.readUInt32LE(0);
      onFrame(rest.readUInt32LE(4), JSON.parse(rest.toString('utf8', HEADER_BYTES, end)));
      rest = rest.subarray(end);
    }
  });
  socket.on('error', () => undefined);
}
