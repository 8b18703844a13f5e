// Keys of tasks: one that holds until its task is done, and one whose last task replaces the others.
import { type Bus, openBus } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, it, onTestFinished } from 'vitest';

const INVALID = expect.objectContaining({ code: 'INVALID_ARGUMENT' });

async function open(name?: string): Promise<Bus> {
  const bus = openBus(await openMemory({ name }), { onError: () => undefined });
  onTestFinished(() => bus.close({ drainMs: 0 }));
  return bus;
}

it.each([
  { dedupeUntilDone: true },
  { dedupeKey: 'k', dedupeUntilDone: 1 },
  { dedupeKey: 'k', replaceKey: 'k' },
  { replaceKey: '' },
  { replaceKey: 'x'.repeat(241) },
])('the options %j are refused', async (options) => {
  const bus = await open();
  await expect(bus.enqueue('jobs', 1, options as never)).rejects.toEqual(INVALID);
});

it('one replaceKey for many tasks is refused, one for each is not', async () => {
  const bus = await open();
  await expect(bus.enqueueAll('jobs', [1, 2], { replaceKey: 'k' })).rejects.toEqual(INVALID);
  await bus.enqueueAll('jobs', [1, 2], (body) => ({ replaceKey: `k${body}` }));
  expect((await bus.queue('jobs').tasks()).tasks).toHaveLength(2);
});

describe('a task with a replaceKey', () => {
  const bodies = async (bus: Bus) => (await bus.queue('jobs').tasks()).tasks.map(({ body }) => body);

  it('replaces the last one of its key, in the order of calls that are not awaited', async () => {
    const bus = await open();
    const handles = [1, 2, 3].map((body) => bus.enqueue('jobs', body, { replaceKey: 'k', delayMs: 60_000 }));
    const [first, second, third] = await Promise.all(handles);
    expect(await bodies(bus)).toEqual([3]);
    await bus.enqueue('jobs', 'other', { replaceKey: 'other' });
    expect(await Promise.all([first?.status(), second?.status(), third?.status()])).toEqual([
      'cancelled',
      'cancelled',
      'delayed',
    ]);
    await expect(first?.result()).rejects.toMatchObject({
      code: 'ABORTED',
      message: expect.stringMatching(/replaced by jobs#/),
    });
  });

  it('stays beside one that was started or has ended', async () => {
    const bus = await open();
    await bus.enqueue('jobs', 1, { replaceKey: 'k' });
    const [running] = await bus.takeTasks('jobs');
    await bus.enqueue('jobs', 2, { replaceKey: 'k' });
    expect(await bodies(bus)).toEqual([1, 2]);
    await running?.done();
    const [next] = await bus.takeTasks('jobs');
    await next?.done();
    await bus.enqueue('jobs', 3, { replaceKey: 'k' });
    expect(await bodies(bus)).toEqual([3]);
  });

  it('of several buses at once stays alone', async () => {
    const buses = await Promise.all(Array.from({ length: 5 }, () => open('replaced')));
    const all = Array.from({ length: 40 }, (_, body) => buses[body % 5]!.enqueue('jobs', body, { replaceKey: 'k' }));
    const states = await Promise.all((await Promise.all(all)).map((handle) => handle.status()));
    expect(states.filter((state) => state !== 'cancelled')).toEqual(['queued']);
    expect(await bodies(buses[0]!)).toHaveLength(1);
  });

  it('that a handler sends again does not come back after it was replaced', async () => {
    const bus = await open();
    let attempts = 0;
    const task = await bus.enqueue('source');
    await bus.process(
      'source',
      async (_, context) => {
        attempts += 1;
        await context.enqueue('jobs', 'old', { replaceKey: 'k' });
        if (attempts > 1) return;
        await bus.enqueue('jobs', 'new', { replaceKey: 'k' });
        throw new Error('again');
      },
      { retry: { baseMs: 0 } },
    );
    await task.result();
    expect([attempts, await bodies(bus)]).toEqual([2, ['new']]);
  });
});

describe('a dedupeKey until its task is done', () => {
  const ENTRY = '$task/#unique/jobs#k';
  const DAY_MS = 86_400_000;
  const options = { dedupeKey: 'k', dedupeUntilDone: true };
  const encode = (value: object) => new TextEncoder().encode(JSON.stringify(value));

  it('leaves no entry when that is done by a worker or by hand', async () => {
    const bus = await open();
    const first = await bus.enqueue('jobs', 1, options);
    expect(first.id).toMatch(/^jobs#k#[0-9a-f]{8}$/);
    const [taken] = await bus.takeTasks('jobs');
    expect(await bus.transport.kv.get(ENTRY)).toBeDefined();
    await taken?.done();
    expect(await bus.transport.kv.get(ENTRY)).toBeUndefined();
    const second = await bus.enqueue('jobs', 2, options);
    const worker = await bus.process('jobs', () => undefined);
    await second.result();
    await worker.close();
    expect(await bus.transport.kv.get(ENTRY)).toBeUndefined();
  });

  it('holds beside a task that was sent with the plain key', async () => {
    const bus = await open();
    const plain = await bus.enqueue('jobs', 1, { dedupeKey: 'k' });
    expect(await bus.enqueue('jobs', 2, options)).toMatchObject({ id: plain.id, isDuplicate: true });
  });

  it('names another task after a minute in which the named one was not sent', async () => {
    const bus = await open();
    const value = encode({ id: 'jobs#k#00000000', ttlMs: 30 * DAY_MS });
    await bus.transport.kv.put(ENTRY, value, { ttlMs: 30 * DAY_MS - 30_000 });
    const first = await bus.enqueue('jobs', 1, options);
    expect(first).toMatchObject({ id: 'jobs#k#00000000', isDuplicate: false });
    await bus.transport.admin.purge('jobs', { state: 'ready' });
    await bus.transport.kv.put(ENTRY, encode({ id: 'jobs#k#11111111', ttlMs: 30 * DAY_MS }), { ttlMs: 29 * DAY_MS });
    const second = await bus.enqueue('jobs', 2, options);
    expect(second.isDuplicate).toBe(false);
    expect(second.id).not.toBe('jobs#k#11111111');
  });

  it('is renewed by the calls that find its task', async () => {
    const bus = await open();
    const { id } = await bus.enqueue('jobs', 1, { ...options, delayMs: 10 * DAY_MS });
    await bus.transport.kv.put(ENTRY, encode({ id, ttlMs: 40 * DAY_MS }), { ttlMs: 12 * DAY_MS });
    expect((await bus.enqueue('jobs', 2, options)).isDuplicate).toBe(true);
    expect((await bus.transport.kv.get(ENTRY))?.ttlLeftMs).toBeGreaterThan(39 * DAY_MS);
  });

  it('is free in each attempt of a handler, which sends an equal task once', async () => {
    const bus = await open();
    let attempts = 0;
    const task = await bus.enqueue('source');
    const seen: boolean[] = [];
    await bus.process(
      'source',
      async (_, context) => {
        attempts += 1;
        const { isDuplicate } = await context.enqueue('jobs', 'same', options);
        seen.push(isDuplicate);
        if (attempts > 1) return;
        const [sent] = await bus.takeTasks('jobs');
        await sent?.done();
        throw new Error('again');
      },
      { retry: { baseMs: 0 } },
    );
    await task.result();
    expect(seen).toEqual([false, true]);
    expect((await bus.queue('jobs').tasks()).tasks).toEqual([]);
  });
});
