/** A network so slow that a large body takes longer than a peer waits for a sign of life, which is nine seconds. */

import { copyFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openSocket } from '../../src/index.ts';
import { localHub } from '../support/local-hub.ts';

const BYTES_PER_SECOND = 70_000;
const BODY = new Uint8Array(1_000_000).fill(7);

/** Forwards to `target`, each direction at that rate. */
async function slowRelay(target: NetConnectOpts, path?: string) {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target);
    sockets.add(client).add(upstream);
    void forward(client, upstream);
    void forward(upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(path ?? { host: '127.0.0.1', port: 0 }, resolve));
  return {
    port: (server.address() as AddressInfo | null)?.port,
    connections: () => sockets.size / 2,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

async function forward(from: Socket, to: Socket): Promise<void> {
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; at += 7_000) {
        const part = chunk.subarray(at, at + 7_000);
        await pause((part.length / BYTES_PER_SECOND) * 1000);
        to.write(part);
      }
    }
    to.end();
  } catch {
    to.destroy();
  }
}

test.concurrent.each(['ws', 'unix'])(
  'a large message passes both ways, on one connection, over %s',
  {
    timeout: 120_000,
  },
  async (kind) => {
    await using folder = tempDir('busbar-slow');
    const path = folder.join('hub.sock');
    await using local = await localHub(kind === 'ws' ? 'ws://127.0.0.1:0/bus' : `unix:${path}`);
    const relayed = folder.join('slow.sock');
    if (kind === 'unix') copyFileSync(`${path}.token`, `${relayed}.token`);
    const port = kind === 'ws' ? Number(new URL(local.url).port) : 0;
    using relay = await slowRelay(kind === 'ws' ? { port } : { path }, kind === 'ws' ? undefined : relayed);
    const url = kind === 'ws' ? local.url.replace(`:${port}`, `:${relay.port}`) : `unix:${relayed}`;
    await using client = await openSocket(url);
    const bounds = { timeoutMs: 60_000 };
    const [sent] = await client.queues.send('large', [{ body: BODY }], bounds);
    expect(sent?.status).toBe('stored');
    const [delivery] = await client.queues.receive('large', { ...bounds, waitMs: 60_000 });
    expect(delivery?.body.byteLength).toBe(BODY.byteLength);
    expect(relay.connections()).toBe(1);
  },
);
