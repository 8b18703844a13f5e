// A ping goes out only where nothing comes, and a server that does not answer it is lost.
import { expect, test, vi } from 'vitest';
import { Liveness } from '../src/connection/liveness.ts';

const LATER = { timeout: 20_000 };

/** A connection that gets `perLook` messages between two looks, and `answer` to each ping. */
function watched(perLook: number, answer: () => Promise<void>) {
  let inMsgs = 0;
  const stats = vi.fn(() => {
    inMsgs += perLook;
    return { inMsgs };
  });
  const client = { stats, flush: vi.fn(answer), reconnect: vi.fn(async () => undefined) };
  const liveness = new Liveness(client, 1);
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
