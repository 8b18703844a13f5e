// Rate limits of workers: windows, several workers, stops, cancelled tasks and bad input.
import { type Bus, type BusbarError, defineQueue, openBus } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, it, onTestFinished } from 'vitest';

const INVALID = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
const HOUR_MS = 3_600_000;

async function open(name?: string): Promise<{ bus: Bus; errors: BusbarError[] }> {
  const errors: BusbarError[] = [];
  const bus = openBus(await openMemory({ name }), { onError: ({ error }) => errors.push(error) });
  onTestFinished(() => bus.close({ drainMs: 0 }));
  return { bus, errors };
}

it.each([
  { max: 0, perMs: 100 },
  { max: 1 },
  { perMs: 100 },
  { max: 1, perMs: 9 },
  { max: 1, perMs: 86_400_001 },
  { max: 1.5, perMs: 100 },
  { max: 1, perMs: 100, more: 1 },
  5,
])('the limit %j is refused', async (rateLimit) => {
  const { bus } = await open();
  await expect(bus.process('jobs', () => undefined, { rateLimit: rateLimit as never })).rejects.toEqual(INVALID);
  await expect(bus.queue('jobs').configure({ rateLimit: rateLimit as never })).rejects.toEqual(INVALID);
  expect(() => defineQueue('jobs', { settings: { rateLimit: rateLimit as never } })).toThrow(INVALID);
});

it('a window begins with its first task, and has no more than max of all workers', async () => {
  const buses = [await open('rated'), await open('rated')] as const;
  const began: number[] = [];
  const rateLimit = { max: 3, perMs: 100 };
  await buses[0].bus.enqueueAll('jobs', Array.from({ length: 12 }));
  const start = performance.now();
  for (const { bus } of buses) {
    await bus.process('jobs', () => void began.push(performance.now() - start), { rateLimit, concurrency: 10 });
  }
  await expect.poll(() => began.length, { timeout: 10_000 }).toBe(12);
  for (const [index, at] of began.sort((one, other) => one - other).entries()) {
    expect(at).toBeGreaterThanOrEqual(100 * Math.floor(index / 3));
  }
});

it('tasks that wait go back to the queue when their worker stops, and use up no attempt', async () => {
  const { bus, errors } = await open();
  const rateLimit = { max: 1, perMs: HOUR_MS };
  const handles = await bus.enqueueAll('jobs', [1, 2, 3], { maxAttempts: 1 });
  const worker = await bus.process('jobs', ({ body }) => body, { rateLimit, concurrency: 3 });
  expect(await handles[0]?.result()).toBe(1);
  await expect.poll(() => handles[1]?.status()).toBe('running');
  await worker.close();
  const { tasks } = await bus.queue('jobs').tasks();
  expect(tasks.map(({ body, state, attempt }) => [body, state, attempt])).toEqual([
    [2, 'queued', 0],
    [3, 'queued', 0],
  ]);
  expect(errors).toEqual([]);
});

it('a task that is cancelled while it waits takes no turn', async () => {
  const { bus } = await open();
  const rateLimit = { max: 2, perMs: 300 };
  const done: unknown[] = [];
  const handles = await bus.enqueueAll('jobs', [1, 2, 3, 4, 5]);
  await bus.process('jobs', ({ body }) => void done.push(body), { rateLimit, concurrency: 5 });
  await expect.poll(() => handles[2]?.status()).toBe('running');
  expect(await handles[2]?.cancel({ running: true })).toBe(true);
  await expect.poll(() => done.length, { timeout: 5_000 }).toBe(4);
  expect(done).toEqual([1, 2, 4, 5]);
});

it('counts the tasks of a batch', async () => {
  const { bus } = await open();
  const batches: unknown[] = [];
  const rateLimit = { max: 2, perMs: 50 };
  await bus.enqueueAll('jobs', [1, 2, 3, 4]);
  const handle = (tasks: readonly { readonly body: unknown }[]) => void batches.push(tasks.map(({ body }) => body));
  await bus.process('jobs', handle, { rateLimit, batch: { max: 4 } });
  await expect
    .poll(() => batches)
    .toEqual([
      [1, 2],
      [3, 4],
    ]);
});

describe('the limit of a queue', () => {
  const [slow, fast] = [
    { max: 1, perMs: HOUR_MS },
    { max: 9, perMs: 1_000 },
  ];
  const limitOf = async (bus: Bus) => (await bus.queue('jobs').info())?.rateLimit;
  const work = () => undefined;

  it('comes from its definition, with other settings, and stays when it is configured again', async () => {
    const { bus } = await open();
    await bus.process(defineQueue('jobs', { settings: { rateLimit: slow, leaseMs: 5_000 } }), work);
    expect(await bus.queue('jobs').info()).toMatchObject({ rateLimit: slow, settings: { leaseMs: 5_000 } });
    await bus.queue('jobs').configure({ maxAttempts: 2 });
    expect(await limitOf(bus)).toEqual(slow);
  });

  it('is the option of the last worker, and the others report it', async () => {
    const [one, other] = [await open('options'), await open('options')] as const;
    await one.bus.queue('jobs').configure({ leaseMs: 5_000 });
    await one.bus.process('jobs', work, { rateLimit: slow });
    expect(await limitOf(other.bus)).toEqual(slow);
    await other.bus.process('jobs', work, { rateLimit: fast });
    await expect.poll(() => one.errors.map(({ code }) => code)).toEqual(['CONFLICT']);
    expect([await limitOf(one.bus), other.errors]).toEqual([fast, []]);
  });

  it('counts before the option of a worker, which is stored again when it is deleted', async () => {
    const { bus, errors } = await open();
    await bus.queue('jobs').configure({ rateLimit: slow });
    await bus.process('jobs', work, { rateLimit: fast });
    expect([await limitOf(bus), errors.map(({ code }) => code)]).toEqual([slow, ['CONFLICT']]);
    await bus.queue('jobs').configure({ rateLimit: 'none' });
    await expect.poll(() => limitOf(bus)).toEqual(fast);
  });

  it.each(['none', { max: 1, perMs: 50 }] as const)(
    'lets tasks that wait begin when it becomes %j',
    async (rateLimit) => {
      const { bus } = await open();
      const began: unknown[] = [];
      await bus.queue('jobs').configure({ rateLimit: slow });
      await bus.enqueueAll('jobs', [1, 2, 3]);
      await bus.process('jobs', ({ body }) => void began.push(body), { concurrency: 3 });
      await expect.poll(async () => [began.length, (await bus.queue('jobs').info())?.leased]).toEqual([1, 2]);
      await bus.queue('jobs').configure({ rateLimit });
      await expect.poll(() => began).toEqual([1, 2, 3]);
    },
  );
});

it('a task that loses its lease while it waits makes room for another', async () => {
  const { bus, errors } = await open();
  const { admin } = bus.transport;
  const attempts = async (): Promise<number[]> =>
    (await admin.browse('jobs', { state: 'leased' })).messages.map((message) => message.attempts);
  await bus.enqueueAll('jobs', [1, 2, 3]);
  const options = { rateLimit: { max: 1, perMs: HOUR_MS }, concurrency: 2, leaseMs: 300 };
  await bus.process('jobs', () => undefined, options);
  await expect.poll(attempts).toEqual([1, 1]);
  // A gate that closes ends all leases.
  const { revision } = await admin.setGate('closed', { ifRevision: (await admin.gate()).revision });
  await admin.setGate('open', { ifRevision: revision });
  await expect.poll(attempts, { timeout: 10_000 }).toEqual([2, 2]);
  expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['LEASE_LOST']));
});
