/** Transports of one process that share a store. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openMemory } from '../src/index.ts';

const one = { body: new Uint8Array([1]) };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a queue does not expire while a receive of another transport waits on it', async () => {
  const name = crypto.randomUUID();
  await using sender = await openMemory({ name });
  await using receiver = await openMemory({ name });
  const received = receiver.queues.receive('q', { waitMs: 10_000 });
  await vi.advanceTimersByTimeAsync(0);
  await sender.queues.configure('q', { expireIdleMs: 1000 });
  await vi.advanceTimersByTimeAsync(9000);
  expect((await sender.admin.queues()).map((queue) => queue.name)).toEqual(['q']);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await received).toEqual([]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await sender.admin.queues()).toEqual([]);
});

test('messages go to the waiting transports in turn', async () => {
  const name = crypto.randomUUID();
  const transports = await Promise.all([1, 2, 3].map(() => openMemory({ name })));
  const got = [0, 0, 0];
  const consumers = transports.map(async (transport, index) => {
    for (let round = 0; round < 3; round += 1) {
      got[index] = (got[index] ?? 0) + (await transport.queues.receive('q', { waitMs: 60_000 })).length;
    }
  });
  for (let sent = 0; sent < 9; sent += 1) {
    await vi.advanceTimersByTimeAsync(1);
    await transports[0]?.queues.send('q', [one]);
  }
  await Promise.all(consumers);
  expect(got).toEqual([3, 3, 3]);
  for (const transport of transports) await transport.close();
});

test('copies of the package share stores by name', async () => {
  const name = crypto.randomUUID();
  await using first = await openMemory({ name });
  vi.resetModules();
  const copy = await import('../src/index.ts');
  expect(copy.openMemory).not.toBe(openMemory);
  await using second = await copy.openMemory({ name });
  await first.queues.send('q', [one]);
  expect(await second.queues.receive('q')).toHaveLength(1);
});

test('a worker thread is told that its stores are its own', async () => {
  const { Worker } = await import('node:worker_threads');
  await using here = await openMemory();
  expect(here.warnings ?? []).toEqual([]);
  const source = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)}).then(async ({ openMemory }) => {
      const transport = await openMemory({ name: 'same' });
      parentPort.postMessage(transport.warnings.map(({ text }) => text));
      await transport.close();
    });`;
  vi.useRealTimers();
  const worker = new Worker(source, { eval: true, execArgv: ['--conditions=@busbar/source'] });
  const told = await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
  expect(told).toEqual([expect.stringMatching(/thread/)]);
  await worker.terminate();
});
