/** A network so slow that a large body takes longer than a peer waits for a sign of life, which is nine seconds. */

import { copyFileSync } from 'node:fs';
import { openProxy, tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openSocket } from '../../src/index.ts';
import { localHub } from '../support/local-hub.ts';

const BYTES_PER_SECOND = 70_000;
const BODY = new Uint8Array(1_000_000).fill(7);
const TIMEOUT_MS = 120_000;

/** A large message passes both ways, on one connection. */
async function passBothWays(url: string): Promise<void> {
  await using client = await openSocket(url);
  const bounds = { timeoutMs: TIMEOUT_MS / 2 };
  const [sent] = await client.queues.send('large', [{ body: BODY }], bounds);
  expect(sent?.status).toBe('stored');
  const [delivery] = await client.queues.receive('large', { ...bounds, waitMs: bounds.timeoutMs });
  expect(delivery?.body.byteLength).toBe(BODY.byteLength);
}

test.concurrent('over a Unix socket', { timeout: TIMEOUT_MS }, async () => {
  await using folder = tempDir('busbar-slow');
  const [path, slow] = [folder.join('hub.sock'), folder.join('slow.sock')];
  await using _local = await localHub(`unix:${path}`);
  copyFileSync(`${path}.token`, `${slow}.token`);
  await using proxy = await openProxy({ target: { path }, listen: { path: slow } });
  proxy.slow(BYTES_PER_SECOND);
  await passBothWays(`unix:${slow}`);
  expect(proxy.accepted).toBe(1);
});

test.concurrent('over WebSocket', { timeout: TIMEOUT_MS }, async () => {
  await using local = await localHub('ws://127.0.0.1:0/bus');
  const { port } = new URL(local.url);
  await using proxy = await openProxy({ target: { host: '127.0.0.1', port: Number(port) } });
  proxy.slow(BYTES_PER_SECOND);
  await passBothWays(local.url.replace(port, String(proxy.port)));
  expect(proxy.accepted).toBe(1);
});
