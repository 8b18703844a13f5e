// Metrics of a bus: what they count, and that their labels are bounded.
import { openBus, RejectError } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { expect, it } from 'vitest';
import { BoundedLabel, OTHER } from '../src/bounded-label.ts';
import { getter, setter } from '../src/carrier.ts';
import { instrument } from '../src/index.ts';
import { Telemetry } from './telemetry.ts';

const onError = (): void => undefined;

it('count sends, handlers, outcomes, failures and depths, without agents and topics', async () => {
  await using telemetry = new Telemetry();
  await using bus = openBus(await openMemory(), { onError });
  instrument(bus, { ...telemetry, observeQueues: true });
  const agent = await bus.agent('@agent');
  agent.handle('echo', ({ body }) => body);
  await bus.process<number>(
    'jobs',
    ({ body }) => {
      if (body === 2) throw new RejectError('two');
    },
    { concurrency: 3 },
  );
  const tasks = await bus.enqueueAll('jobs', [1, 2, 3]);
  await Promise.allSettled(tasks.map((task) => task.result()));
  await bus.request('@agent', 'echo', 1);
  await bus.publish('news.today');
  await bus.enqueue('idle');
  await expect(bus.send('@nobody', 'note')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  let samples: Awaited<ReturnType<Telemetry['samples']>> = new Map();
  /** The values of a metric whose labels match; of a histogram their counts. */
  const values = (name: string, match: Record<string, unknown> = {}): unknown[] =>
    (samples.get(name) ?? [])
      .filter(({ attributes }) => Object.entries(match).every(([key, value]) => attributes[key] === value))
      .map(({ value }) => (typeof value === 'object' ? (value as { count: number }).count : value))
      .toSorted();
  const look = async (): Promise<unknown[]> => {
    samples = await telemetry.samples();
    return values('busbar.settled.messages');
  };
  await expect.poll(look, { timeout: 10_000 }).toEqual([1, 1, 2]);
  expect(values('messaging.client.sent.messages', { 'messaging.destination.name': 'jobs' })).toEqual([3]);
  expect(values('messaging.client.sent.messages', { 'error.type': 'NOT_FOUND' })).toEqual([1]);
  expect(values('messaging.client.operation.duration', { 'messaging.operation.name': 'request' })).toEqual([1]);
  expect(values('messaging.process.duration', { 'messaging.destination.name': 'jobs' })).toEqual([1, 2]);
  expect(values('messaging.client.consumed.messages', { 'messaging.destination.name': 'jobs' })).toEqual([3]);
  expect(values('busbar.settled.messages', { 'busbar.outcome': 'done', 'busbar.kind': 'task' })).toEqual([2]);
  expect(values('busbar.settled.messages', { 'busbar.outcome': 'dead-letter' })).toEqual([1]);
  expect(values('busbar.failures', { 'busbar.kind': 'task', 'error.type': 'HANDLER_FAILED' })).toEqual([1]);
  expect(values('busbar.queue.messages', { queue: 'idle', state: 'ready' })).toEqual([1]);
  expect(values('busbar.agents.online')).toEqual([1]);
  expect(JSON.stringify([...samples])).not.toMatch(/@agent|@nobody|news\.today|\$reply|\$call/);
});

it('a label has at most 100 values and none of the bus itself', () => {
  const label = new BoundedLabel();
  const values = Array.from({ length: 150 }, (_, index) => label.of(`queue.${index}`));
  expect(new Set(values).size).toBe(101);
  expect([label.of('queue.0'), label.of('queue.149'), new BoundedLabel().of('$reply.1')]).toEqual([
    'queue.0',
    OTHER,
    OTHER,
  ]);
});

it('a header that a message cannot have is left out', () => {
  const headers: Record<string, string> = {};
  setter.set(headers, 'X-B3-TraceId', 'a');
  setter.set(headers, 'bag_gage', 'b');
  setter.set(headers, 'baggage', 'c\n');
  setter.set(headers, 'tracestate', 'd'.repeat(8_193));
  expect(headers).toEqual({ 'x-b3-traceid': 'a' });
  expect([getter.get(headers, 'X-B3-TraceId'), getter.keys(headers)]).toEqual(['a', ['x-b3-traceid']]);
});
