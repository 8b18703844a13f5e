/** Bare sockets of Node: length-prefixed JSON over a Unix socket, without a hub. */

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Client, TargetLocation } from '../client.ts';

/** The length of the frame, and the number of its request. */
const HEADER_BYTES = 8;

type OnFrame = (id: number, value: unknown) => void;

export async function open({ folder }: TargetLocation): Promise<Client> {
  const path = `${folder}/bare.sock`;
  const waiting = new Map<number, (value: unknown) => void>();
  let server: Server | undefined;
  let socket: Socket | undefined;
  let requests = 0;
  return {
    async respond() {
      server = createServer((requester) =>
        readFrames(requester, (id, value) => write(requester, id, (value as number) * 2)),
      );
      await once(server.listen(path), 'listening');
    },
    async request(value) {
      socket ??= dial(path, waiting);
      requests += 1;
      write(socket, requests, value);
      return new Promise((resolve) => waiting.set(requests, resolve));
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
