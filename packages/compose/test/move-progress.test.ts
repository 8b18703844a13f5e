// What a plan, a move and its status say about the time.
import type { Transport } from '@busbar/api/transport';
import { expect, test } from 'vitest';
import { type MoveProgress, type MoveStatus, moveBus, moveStatus, planMove } from '../src/index.ts';
import { estimateSteps } from '../src/migrate/estimate.ts';
import { totalOf } from '../src/migrate/record-counter.ts';
import { timeLeft } from '../src/migrate/time-left.ts';
import { addEventsAndKeys, body, stores } from './move-stores.ts';

const COUNTS = { queues: 0, messages: 100_000, events: 10_000, keys: 0, bindings: 0, ids: 0 };

test.concurrent('each step says how long the rest takes, and the report has the estimate beside what it took', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  await addEventsAndKeys(from.transport);
  const messages = Array.from({ length: 3_000 }, (_, at) => ({ id: `m${at}`, body }));
  await from.transport.queues.send('work', messages);
  const plan = await planMove({ from, to });
  const said: MoveProgress[] = [];
  const report = await moveBus({ from, to }, { onProgress: (progress) => void said.push(progress) });
  // By the listings alone: keys and remembered ids are not known before the copy.
  expect(said[0]).toMatchObject({ step: 'copy', records: 0, leftMs: expect.any(Number) });
  expect(said[0]?.leftMs).toBeLessThanOrEqual(plan.copyMs + plan.pauseMs);
  expect(said[0]?.leftMs).toBeGreaterThan((plan.copyMs + plan.pauseMs) / 2);
  for (const step of ['copy', 'transfer', 'verify'] as const) {
    const left = said.filter((one) => one.step === step).map(({ leftMs }) => leftMs);
    expect(left.length).toBeGreaterThan(3);
    expect(Math.min(...left)).toBeGreaterThan(0);
  }
  expect(said.filter(({ step }) => step === 'verify').at(-1)?.records).toBe(totalOf(report.records));
  expect(report.estimated.pauseMs).toBe(plan.pauseMs);
  expect(report.estimated.copyMs).toBeLessThanOrEqual(plan.copyMs);
});

test.concurrent('the status of a move says its step, what both stores hold, and how long the rest takes', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  await addEventsAndKeys(from.transport);
  await from.transport.queues.send('work', [{ body }]);
  const seen: MoveStatus[] = [];
  const looking = whenImported(to.transport, async () => void seen.push(await moveStatus({ from, to })));
  await moveBus({ from, to: { ...to, transport: looking } });
  const has = { queues: 2, messages: 3, events: 2 };
  const time = { elapsedMs: expect.any(Number), leftMs: expect.any(Number) };
  expect(seen).toMatchObject([
    { move: 'none', progress: undefined, from: { state: 'open', contents: has }, to: { contents: { messages: 0 } } },
    { move: 'half', progress: { step: 'copy', ...time }, to: { state: 'closed', contents: { events: 0 } } },
    { move: 'half', progress: { step: 'transfer', ...time }, from: { state: 'closed', contents: has } },
    { move: 'half', progress: { step: 'verify', ...time }, to: { contents: has } },
  ]);
  expect(await moveStatus({ from, to })).toMatchObject({ move: 'done', progress: undefined, to: { contents: has } });
});

test.concurrent('an estimate counts the speed of both backends', async () => {
  const named = (name: string): Transport => ({ name }) as Transport;
  const end = (name: string): { transport: Transport; name: string } => ({ transport: named(name), name });
  const pauseMs = (from: string, to: string): number => {
    const { drain, transfer, verify, cutover } = estimateSteps({ from: end(from), to: end(to) }, COUNTS);
    return drain + transfer + verify + cutover;
  };
  expect(pauseMs('sqlite', 'nats')).toBeGreaterThan(pauseMs('sqlite', 'redis'));
  expect(pauseMs('sqlite', 'redis')).toBeGreaterThan(pauseMs('sqlite', 'sqlite'));
  expect(pauseMs('sqlite', 'unix')).toBe(pauseMs('sqlite', 'nats'));
  const { copy } = estimateSteps({ from: end('sqlite'), to: end('redis') }, COUNTS);
  expect(estimateSteps({ from: end('nats'), to: end('redis') }, COUNTS).copy).toBeGreaterThan(copy);
});

test('the time left is the rest of the estimate, as fast as the part that is done', () => {
  const estimated = { copy: 2_000, drain: 100, transfer: 5_000, verify: 3_000, cutover: 100 };
  expect(timeLeft(estimated, { step: 'copy', share: 0, elapsedMs: 0 })).toBe(10_200);
  expect(timeLeft(estimated, { step: 'copy', share: 0.5, elapsedMs: 1_000 })).toBe(9_200);
  expect(timeLeft(estimated, { step: 'drain', share: 0, elapsedMs: 2_000 })).toBe(8_200);
  // Half of the transfer is done, in twice the time.
  expect(timeLeft(estimated, { step: 'transfer', share: 0.5, elapsedMs: 10_000 })).toBe(11_200);
  expect(timeLeft(estimated, { step: 'cutover', share: 0, elapsedMs: 10_000 })).toBe(100);
});

/** The transport, which calls `look` before each import has begun. */
function whenImported(transport: Transport, look: () => Promise<void>): Transport {
  const { admin } = transport;
  const importState: typeof admin.importState = async (records, options) => {
    await look();
    return admin.importState(records, options);
  };
  return new Proxy(transport, {
    get: (target, key) => (key === 'admin' ? { ...admin, importState } : Reflect.get(target, key, target)),
  });
}
