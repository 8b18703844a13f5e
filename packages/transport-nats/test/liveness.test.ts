// A ping goes out only where nothing comes, and a server that does not answer it is lost.
import type { WatchedSocket } from '@busbar/api/driver';
import { expect, test, vi } from 'vitest';
import { Liveness } from '../src/connection/liveness.ts';

const LATER = { timeout: 20_000 };

/** A connection that gets `perLook` messages between two looks, and `answer` to each ping. */
function watched(perLook: number, answer: () => Promise<void>, socket: WatchedSocket = {}) {
  let inMsgs = 0;
  const stats = vi.fn(() => {
    inMsgs += perLook;
    return { inMsgs };
  });
  const client = { stats, flush: vi.fn(answer), reconnect: vi.fn(async () => undefined) };
  const liveness = new Liveness(client, () => socket, 1);
  liveness.begin();
  return { ...client, looks: () => stats.mock.calls.length, [Symbol.dispose]: () => liveness.end() };
}

test('a connection with messages sends no pings', async () => {
  using client = watched(1, async () => undefined);
  await expect.poll(client.looks, LATER).toBeGreaterThan(20);
  expect(client.flush).not.toHaveBeenCalled();
});

test('a connection without messages stays by the answers to its pings, one after two looks', async () => {
  using client = watched(0, async () => undefined);
  await expect.poll(client.looks, LATER).toBeGreaterThan(20);
  expect(client.flush.mock.calls.length).toBeGreaterThanOrEqual(Math.floor(20 / 3));
  expect(client.flush.mock.calls.length).toBeLessThanOrEqual(Math.ceil(client.looks() / 2));
  expect(client.reconnect).not.toHaveBeenCalled();
});

test('a connection whose ping is not answered until the next look is made again', async () => {
  using client = watched(0, () => new Promise(() => undefined));
  await expect.poll(() => client.reconnect.mock.calls.length, LATER).toBeGreaterThan(0);
  expect(client.flush).toHaveBeenCalledTimes(1);
});

test('while parts of a large message pass, nothing is asked', async () => {
  let bytes = 0;
  const arriving: WatchedSocket = {
    get bytesRead() {
      bytes += 100;
      return bytes;
    },
  };
  let waiting = 1_000_000;
  const leaving: WatchedSocket = {
    bytesWritten: 1_000_000,
    _handle: {
      get writeQueueSize() {
        waiting -= 100;
        return waiting;
      },
    },
  };
  const never = (): Promise<void> => new Promise(() => undefined);
  using receiver = watched(0, never, arriving);
  using sender = watched(0, never, leaving);
  await expect.poll(receiver.looks, LATER).toBeGreaterThan(20);
  await expect.poll(sender.looks, LATER).toBeGreaterThan(20);
  expect([receiver.flush.mock.calls, sender.flush.mock.calls]).toEqual([[], []]);
});

test('a connection to which more is written, and which takes nothing, is made again', async () => {
  let written = 0;
  const stuck: WatchedSocket = {
    get bytesWritten() {
      written += 100;
      return written;
    },
    _handle: { writeQueueSize: 0 },
  };
  using client = watched(0, () => new Promise(() => undefined), stuck);
  await expect.poll(() => client.reconnect.mock.calls.length, LATER).toBeGreaterThan(0);
});
