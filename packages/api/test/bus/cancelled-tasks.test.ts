// Tasks that are cancelled while they run: bad input, races, and what is left of a request.
import { type Bus, openBus, type TaskHandler } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { openMemory } from '@busbar/transport-memory';
import { expect, it, onTestFinished } from 'vitest';

async function open(): Promise<{ bus: Bus; transport: Transport }> {
  const transport = await openMemory();
  const bus = openBus(transport);
  onTestFinished(() => bus.close({ drainMs: 0 }));
  return { bus, transport };
}

/** Runs until its signal fires, or ends by `hurry`. */
function slowHandler(): { handler: TaskHandler<unknown, string>; signals: AbortSignal[]; hurry: () => void } {
  const signals: AbortSignal[] = [];
  const end = Promise.withResolvers<string>();
  const handler: TaskHandler<unknown, string> = (_, { signal }) => {
    signals.push(signal);
    return end.promise;
  };
  return { handler, signals, hurry: () => end.resolve('in time') };
}

const requestsOf = ({ kv }: Transport) => kv.list('$task/#cancel/');

it('refuses other options', async () => {
  const { bus } = await open();
  const task = await bus.enqueue('jobs');
  for (const options of [{ running: 1 }, { reason: 5 }, { reason: 'x'.repeat(2001) }, { force: true }]) {
    await expect(task.cancel(options as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
});

it('a task that ends first is not cancelled, and nothing is left of the request', async () => {
  const { bus, transport } = await open();
  const { handler, signals, hurry } = slowHandler();
  const task = await bus.enqueue('jobs');
  // A worker of another kind: it does not know requests.
  const [delivery] = await transport.queues.receive('jobs', { waitMs: 5_000 });
  const cancelled = task.cancel({ running: true });
  await expect.poll(() => requestsOf(transport)).toHaveLength(1);
  await transport.queues.settle([{ receipt: delivery?.receipt ?? '', action: 'reject' }]);
  expect(await cancelled).toBe(false);
  expect(await requestsOf(transport)).toEqual([]);
  await bus.process('jobs', handler);
  hurry();
  expect([signals.length, await bus.task('jobs', 'jobs#none').cancel({ running: true })]).toEqual([0, false]);
});

it('a request that nobody saw in time ends the task later, and no other task with its key', async () => {
  const { bus, transport } = await open();
  const first = await bus.enqueue('jobs', 1, { dedupeKey: 'key' });
  const [delivery] = await transport.queues.receive('jobs');
  await expect(first.cancel({ running: true, timeoutMs: 20 })).rejects.toMatchObject({ code: 'TIMEOUT' });
  expect(await requestsOf(transport)).toHaveLength(1);
  await transport.queues.settle([{ receipt: delivery?.receipt ?? '', action: 'release' }]);
  const { handler, hurry } = slowHandler();
  hurry();
  await bus.process('jobs', handler);
  await expect(first.result()).rejects.toMatchObject({ code: 'ABORTED' });
  await transport.admin.deleteQueue('jobs');
  const second = await bus.enqueue('jobs', 2, { dedupeKey: 'key' });
  expect([second.id, await second.result()]).toEqual([first.id, 'in time']);
});

it('the end is kept without results, too, and progress ends with it', async () => {
  const { bus } = await open();
  const started = Promise.withResolvers<void>();
  const handler: TaskHandler<unknown, void> = async (_, context) => {
    await context.progress('half');
    started.resolve();
    await new Promise<never>(() => undefined);
  };
  await bus.process('jobs', handler, { resultTtlMs: 0 });
  const task = await bus.enqueue('jobs');
  const progress: unknown[] = [];
  const reading = (async () => {
    for await (const value of task.progress()) progress.push(value);
  })();
  await started.promise;
  expect(await task.cancel({ running: true })).toBe(true);
  await reading;
  expect([progress, await task.status()]).toEqual([['half'], 'cancelled']);
});

it('a broken request ends nothing, and a generator ends at its next value', async () => {
  const { bus, transport } = await open();
  let values = 0;
  const handler: TaskHandler<unknown, string> = async function* () {
    for (; values < 1_000_000; values += 1) {
      yield values;
      await new Promise(setImmediate);
    }
    return 'all';
  };
  await bus.process('jobs', handler);
  const task = await bus.enqueue('jobs');
  await transport.kv.put(`$task/#cancel/${task.id}`, Buffer.from('{"sentAt":'));
  await expect.poll(() => values).toBeGreaterThan(3);
  expect(await task.cancel({ running: true })).toBe(true);
  const seen = values;
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  expect(values).toBeLessThanOrEqual(seen + 1);
});
