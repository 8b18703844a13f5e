/** A client that does not read: its buffer at the hub is limited. The hub takes ten seconds to disconnect it. */

import { waitFor } from '@busbar/testbed';
import { encodeFrames, FRAME, type Frame, frame } from '@busbar/wire';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Dealer } from 'zeromq';
import { openSocket } from '../../src/index.ts';
import { localHub } from '../support/local-hub.ts';

const HELLO = encodeFrames([frame(FRAME.hello, 0, { version: 1, heartbeatMs: 60_000 })]);
const LARGE = new Uint8Array(65_536);

/** Requests of a value that was put before. */
function gets(count: number): Uint8Array {
  const get = (id: number): Frame => frame(FRAME.request, id, { op: 'kv.get', key: 'large' });
  return encodeFrames(Array.from({ length: count }, (_, index) => get(index + 1)));
}

test.concurrent('over ZeroMQ it is disconnected, and other clients are served', { timeout: 40_000 }, async () => {
  await using local = await localHub('zmq:tcp://127.0.0.1:0');
  await using client = await openSocket(local.url);
  await client.kv.put('large', LARGE);
  const dealer = new Dealer({ linger: 0, sendTimeout: 0 });
  dealer.connect(local.url.replace('zmq:', ''));
  await dealer.send(HELLO);
  await dealer.receive();
  // Responses of 16 MB, without an acknowledgement.
  await dealer.send(gets(256));
  await waitFor(() => local.log.length > 0, { what: 'the hub to disconnect it', timeoutMs: 30_000 });
  expect(local.log[0]).toMatch(/takes nothing/);
  await waitFor(() => local.hub.clients === 1, { what: 'its connection to end' });
  expect(await client.kv.get('large')).toBeDefined();
  dealer.close();
});

test.concurrent('over WebSocket it is closed with 1013, and other clients are served', {
  timeout: 40_000,
}, async () => {
  await using local = await localHub('ws://127.0.0.1:0/bus');
  await using client = await openSocket(local.url);
  await client.kv.put('large', LARGE);
  const socket = new WebSocket(local.url, { maxPayload: 0 });
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise((resolve) => socket.once('open', resolve));
  socket.send(HELLO);
  await new Promise((resolve) => socket.once('message', resolve));
  // Responses of 32 MB.
  socket.send(gets(512));
  socket.pause();
  await waitFor(() => local.log.length > 0, { what: 'the hub to disconnect it', timeoutMs: 30_000 });
  expect(local.log[0]).toMatch(/takes nothing/);
  socket.resume();
  expect(await closed).toBe(1013);
  expect(await client.kv.get('large')).toBeDefined();
});
