// Queues for operators: lists of tasks by state and type, settings that are declared again, pause and resume.
import { type Bus, defineQueue, openBus } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, it, onTestFinished } from 'vitest';
import { numberSchema } from '../schemas.ts';

const INVALID = expect.objectContaining({ code: 'INVALID_ARGUMENT' });

async function open(name?: string): Promise<Bus> {
  const bus = openBus(await openMemory({ name }), { onError: () => undefined });
  onTestFinished(() => bus.close({ drainMs: 0 }));
  return bus;
}

describe('the tasks of a queue', () => {
  it('are listed by state, with what is known of each', async () => {
    const bus = await open();
    const jobs = bus.queue('jobs');
    expect([await jobs.tasks(), await jobs.info()]).toEqual([{ tasks: [], next: undefined }, undefined]);
    const { id } = await bus.enqueue('jobs', { file: 'a' }, { type: 'resize' });
    await bus.enqueue('jobs', 'later', { delayMs: 60_000 });
    await bus.takeTasks('jobs', { consumer: 'me' });
    await bus.enqueue('jobs', 'dies', { maxAttempts: 1 });
    const [task] = await bus.takeTasks('jobs');
    await task?.reject('hopeless');
    await bus.enqueue('jobs', 'waits', { priority: 9 });
    const { tasks } = await jobs.tasks();
    expect(tasks.map(({ state }) => state).sort()).toEqual(['dead', 'delayed', 'queued', 'running']);
    const byState = async (state: 'queued' | 'delayed' | 'running' | 'dead') => (await jobs.tasks({ state })).tasks;
    expect(await byState('queued')).toMatchObject([{ body: 'waits', attempt: 0, priority: 9, queue: 'jobs' }]);
    const [delayed] = await byState('delayed');
    expect(delayed?.delayLeftMs).toBeGreaterThan(50_000);
    expect(await byState('running')).toMatchObject([
      { id, type: 'resize', body: { file: 'a' }, attempt: 1, consumer: 'me' },
    ]);
    expect(await byState('dead')).toMatchObject([
      { body: 'dies', dead: { reason: 'hopeless' }, history: [{ outcome: 'reject' }] },
    ]);
    expect((await jobs.tasks({ ids: [id] })).tasks).toMatchObject([{ id }]);
  });

  it('of one type are found among many others, in pages', async () => {
    const bus = await open();
    const types = Array.from({ length: 250 }, (_, index) => (index % 50 === 0 ? 'rare' : 'common'));
    await bus.enqueueAll('jobs', types, (type) => ({ type }));
    const jobs = bus.queue('jobs');
    const found: unknown[] = [];
    let after: string | undefined;
    do {
      const page = await jobs.tasks({ type: 'rare', limit: 3, after });
      expect(page.tasks.length).toBeLessThanOrEqual(3);
      found.push(...page.tasks.map(({ type }) => type));
      after = page.next;
    } while (after !== undefined);
    expect(found).toEqual(['rare', 'rare', 'rare', 'rare', 'rare']);
    expect((await jobs.tasks({ type: 'none' })).tasks).toEqual([]);
  });

  it.each([
    { state: 'done' },
    { state: 5 },
    { type: '' },
    { limit: 0 },
    { limit: 1_001 },
    { after: 5 },
    { ids: 'x' },
    { more: 1 },
    5,
  ])('are not listed for %j', async (query) => {
    const bus = await open();
    await expect(bus.queue('jobs').tasks(query as never)).rejects.toEqual(INVALID);
  });

  it('have a type of 1 to 255 characters', async () => {
    const bus = await open();
    await expect(bus.enqueue('jobs', 1, { type: '' })).rejects.toEqual(INVALID);
    await expect(bus.enqueue('jobs', 1, { type: 'x'.repeat(256) })).rejects.toEqual(INVALID);
  });
});

describe('the settings of a queue', () => {
  it('are those of all its users, and stay as they are where none is given', async () => {
    const bus = await open();
    const jobs = bus.queue(defineQueue('jobs', { task: numberSchema }));
    await jobs.configure({ leaseMs: 5_000, maxLength: 2 });
    await jobs.configure({ maxAttempts: 3 });
    expect(await jobs.info()).toMatchObject({ settings: { leaseMs: 5_000, maxLength: 2, maxAttempts: 3 } });
    await bus.enqueueAll('jobs', [1, 2]);
    await expect(bus.enqueue('jobs', 3)).rejects.toMatchObject({ code: 'BACKPRESSURE' });
    await expect(jobs.configure({ leaseMs: 1 })).rejects.toEqual(INVALID);
    await expect(jobs.configure({ more: 1 } as never)).rejects.toEqual(INVALID);
    expect(() => bus.queue('@agent')).toThrow(INVALID);
  });

  it('are set again after the store was cleared', async () => {
    const bus = await open('cleared');
    const jobs = bus.queue('jobs');
    await jobs.configure({ leaseMs: 5_000 });
    await bus.queue('jobs').configure({ maxAttempts: 3 });
    await jobs.pause();
    await bus.transport.admin.clear();
    await expect.poll(async () => (await jobs.info())?.settings).toMatchObject({ leaseMs: 5_000, maxAttempts: 3 });
    expect((await jobs.info())?.settings.paused).toBe(false);
  });
});

it('a paused queue gives no task to any worker until it is resumed', async () => {
  const bus = await open();
  const jobs = bus.queue('jobs');
  await bus.process('jobs', () => 'done');
  await jobs.pause();
  const task = await bus.enqueue('jobs', 1);
  expect([await bus.takeTasks('jobs'), await task.status()]).toEqual([[], 'queued']);
  await jobs.resume();
  expect(await task.result()).toBe('done');
});
