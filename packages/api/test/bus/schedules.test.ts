// Schedules: what is stored, what is refused, and when they fire by a clock that the test sets.
import type { Bus, ScheduleOptions } from '@busbar/api';
import { waitFor } from '@busbar/testbed';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { all, backends, Lab } from '../lab.ts';
import { stringSchema } from '../schemas.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const LONG = { leaseMs: 365 * DAY };

afterEach(() => {
  vi.useRealTimers();
});

/** The planned times of the tasks of a queue, and removes them. */
async function fired(bus: Bus, queue = 'reports'): Promise<string[]> {
  const tasks = await bus.transport.queues.receive(queue, { max: 100, waitMs: 0 }).catch(() => []);
  await bus.transport.queues.settle(tasks.map(({ receipt }) => ({ receipt, action: 'ack' })));
  return tasks.map(({ headers }) => headers['schedule-time']?.slice(5, 16) ?? '').sort();
}

describe.each(backends)('on %s', (backend) => {
  test('schedules are stored, listed, paused, resumed, run and deleted', async () => {
    await using lab = await Lab.open(backend);
    const [one, other] = [await lab.bus(), await lab.bus()];
    const nightly = { cron: '0 2 * * *', timeZone: 'Europe/Berlin', queue: 'reports', body: { all: true } };
    const put = await one.schedules.put('nightly', { ...nightly, priority: 7, headers: { team: 'a' } });
    expect(put).toMatchObject({ name: 'nightly', target: { queue: 'reports' }, body: { all: true }, missed: 'once' });
    expect(put).toMatchObject({ cron: '0 2 * * *', timeZone: 'Europe/Berlin', paused: false, lastAt: undefined });
    expect(put.nextAt).toBeGreaterThan(Date.now());
    await other.schedules.put('hourly', { everyMs: HOUR, topic: 'clock.hour' });
    expect(await one.schedules.list()).toEqual([await one.schedules.get('hourly'), put]);

    expect(await other.schedules.pause('nightly')).toMatchObject({ paused: true, nextAt: undefined });
    const id = await other.schedules.runNow('nightly');
    const [task] = await one.transport.queues.receive('reports', { waitMs: 1_000 });
    expect(task).toMatchObject({ id, priority: 7, headers: { team: 'a', 'schedule-name': 'nightly' } });
    expect(Date.parse(task?.headers['schedule-time'] ?? '')).toBeGreaterThan(Date.now() - 60_000);
    expect(await one.schedules.resume('nightly')).toEqual(put);

    expect([await one.schedules.delete('nightly'), await other.schedules.delete('nightly')]).toEqual([true, false]);
    expect(await other.schedules.get('nightly')).toBeUndefined();
    for (const use of ['pause', 'resume', 'runNow'] as const) {
      const failure = expect.objectContaining({ code: 'NOT_FOUND', hint: 'Did you mean "hourly"?' });
      await expect(one.schedules[use]('houry')).rejects.toEqual(failure);
    }
  });

  test('an equal schedule stays as it is, and another message keeps the planned times', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const first = await bus.schedules.put('tick', { everyMs: HOUR, queue: 'ticks', body: 1 });
    await bus.schedules.pause('tick');
    expect(await bus.schedules.put('tick', { everyMs: HOUR, queue: 'ticks', body: 1 })).toMatchObject({ paused: true });
    expect(await bus.schedules.put('tick', { everyMs: HOUR, queue: 'other', body: 2 })).toMatchObject({ body: 2 });
    expect((await bus.schedules.resume('tick')).nextAt).toBe(first.nextAt);
    const slower = await bus.schedules.put('tick', { everyMs: DAY, queue: 'other', body: 2 });
    expect(slower.nextAt).toBeGreaterThan(Date.now() + 23 * HOUR);
  });

  test('they are part of an export, and of the bus that imports it', async () => {
    await using lab = await Lab.open(backend);
    await using elsewhere = await Lab.open('memory');
    const [from, to] = [await lab.bus(), await elsewhere.bus()];
    await from.schedules.put('nightly', { cron: '@daily', queue: 'reports', body: 'x' });
    await from.schedules.put('tick', { everyMs: HOUR, to: '@a', type: 'tick' });
    await from.schedules.pause('tick');
    const records = await all(from.transport.admin.exportState());
    await to.transport.admin.importState(records);
    expect(await to.schedules.list()).toEqual(await from.schedules.list());
  });

  test('what cannot be sent is reported and tried again; the others fire', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    await bus.transport.kv.put('$schedule/garbage', Uint8Array.of(1, 2, 3));
    const soon = { everyMs: HOUR, startAt: new Date(Date.now() + 50) };
    await bus.schedules.put('mail', { ...soon, to: '@new', type: 'hello', body: 1 });
    await bus.schedules.put('task', { ...soon, queue: 'reports' });
    const scheduler = bus.schedules.start();
    const task = await waitFor(async () => (await bus.transport.queues.receive('reports', { waitMs: 100 }))[0], {
      what: 'the task',
    });
    expect(task.headers['schedule-name']).toBe('task');
    await waitFor(() => lab.errors.some(({ code }) => code === 'NOT_FOUND'), { what: 'a report' });
    expect(lab.errors.map(({ code }) => code)).toContain('INTERNAL');
    const agent = await bus.agent('@new');
    const [mail] = await agent.receive({ waitMs: 10_000 });
    expect(mail).toMatchObject({ type: 'hello', body: 1, headers: { 'schedule-name': 'mail' } });
    await mail?.ack();
    await scheduler.close();
    expect(scheduler.isActive).toBe(false);
  });
});

describe('by the clock', () => {
  async function begin(now: string, schedules: Record<string, ScheduleOptions>): Promise<[Bus, Lab]> {
    vi.useFakeTimers({ now: Date.parse(now) });
    const lab = await Lab.open('memory');
    const bus = await lab.bus();
    for (const [name, options] of Object.entries(schedules)) await bus.schedules.put(name, options);
    return [bus, lab];
  }

  test('a schedule fires at its planned times, also when the clock of its zone changes', async () => {
    const cron = { cron: '30 2 * * *', timeZone: 'Europe/Berlin', queue: 'reports' };
    const [bus, lab] = await begin('2026-03-28T23:00:00Z', {
      nightly: cron,
      half: { everyMs: HOUR / 2, queue: 'half' },
    });
    await using _ = lab;
    const scheduler = bus.schedules.start(LONG);
    await vi.advanceTimersByTimeAsync(2 * HOUR - 10);
    expect([await fired(bus), scheduler.isActive]).toEqual([[], true]);
    await vi.advanceTimersByTimeAsync(20);
    expect(await fired(bus)).toEqual(['03-29T01:00']);
    expect(await fired(bus, 'half')).toEqual(['03-28T23:30', '03-29T00:00', '03-29T00:30', '03-29T01:00']);
    expect(await bus.schedules.get('nightly')).toMatchObject({
      lastAt: Date.parse('2026-03-29T01:00:00Z'),
      nextAt: Date.parse('2026-03-30T00:30:00Z'),
    });
    expect(lab.errors).toEqual([]);
  });

  test('missed times fire once, or are skipped; a late one fires', async () => {
    const schedule = { everyMs: HOUR, startAt: new Date('2026-03-28T10:00:00Z') };
    const [bus, lab] = await begin('2026-03-28T09:30:00Z', {
      once: { ...schedule, queue: 'reports' },
      skip: { ...schedule, queue: 'skip', missed: 'skip' },
      late: { everyMs: DAY, startAt: new Date('2026-03-28T13:29:30Z'), queue: 'late', missed: 'skip' },
    });
    await using _ = lab;
    vi.setSystemTime('2026-03-28T13:30:00Z');
    bus.schedules.start(LONG);
    await vi.advanceTimersByTimeAsync(10);
    const fires = async (): Promise<string[][]> => [
      await fired(bus),
      await fired(bus, 'skip'),
      await fired(bus, 'late'),
    ];
    expect(await fires()).toEqual([['03-28T13:00'], [], ['03-28T13:29']]);
    await vi.advanceTimersByTimeAsync(HOUR / 2);
    expect(await fires()).toEqual([['03-28T14:00'], ['03-28T14:00'], []]);
  });

  test('a clock that is set forward misses times; one that is set back fires none twice', async () => {
    const [bus, lab] = await begin('2026-03-28T10:10:00Z', { hourly: { cron: '@hourly', queue: 'reports' } });
    await using _ = lab;
    bus.schedules.start(LONG);
    await vi.advanceTimersByTimeAsync(10);
    vi.setSystemTime('2026-03-28T14:10:00Z');
    await vi.advanceTimersByTimeAsync(6_000);
    expect(await fired(bus)).toEqual(['03-28T14:00']);
    vi.setSystemTime('2026-03-28T12:50:00Z');
    await vi.advanceTimersByTimeAsync(HOUR + 15 * 60_000);
    expect(await fired(bus)).toEqual([]);
    await vi.advanceTimersByTimeAsync(HOUR);
    expect(await fired(bus)).toEqual(['03-28T15:00']);
  });

  test('a paused schedule does not fire, and its pause counts as no missed time', async () => {
    const [bus, lab] = await begin('2026-03-28T10:10:00Z', { hourly: { cron: '@hourly', queue: 'reports' } });
    await using _ = lab;
    bus.schedules.start(LONG);
    await bus.schedules.pause('hourly');
    await vi.advanceTimersByTimeAsync(3 * HOUR);
    await bus.schedules.resume('hourly');
    await vi.advanceTimersByTimeAsync(HOUR / 2);
    expect(await fired(bus)).toEqual([]);
    await vi.advanceTimersByTimeAsync(HOUR / 2);
    expect(await fired(bus)).toEqual(['03-28T14:00']);
    await bus.schedules.delete('hourly');
    await vi.advanceTimersByTimeAsync(3 * HOUR);
    expect(await fired(bus)).toEqual([]);
  });

  test('a failed send is repeated until the next planned time', async () => {
    const [bus, lab] = await begin('2026-03-28T10:59:00Z', { hourly: { cron: '@hourly', queue: 'reports' } });
    await using _ = lab;
    await bus.transport.queues.configure('reports', { frozen: true });
    bus.schedules.start(LONG);
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    expect(lab.errors.length).toBeGreaterThan(10);
    expect(lab.errors.length).toBeLessThan(60);
    await bus.transport.queues.configure('reports', { frozen: false });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await fired(bus)).toEqual(['03-28T11:00']);
  });
});

test.each<[Record<string, unknown>, string]>([
  [{}, 'needs cron or everyMs'],
  [{ cron: '@daily', everyMs: 1_000, queue: 'q' }, 'needs cron or everyMs'],
  [{ everyMs: 99, queue: 'q' }, 'everyMs'],
  [{ everyMs: 1_000, timeZone: 'UTC', queue: 'q' }, 'timeZone needs cron'],
  [{ cron: '@daily' }, 'one of queue, topic and to'],
  [{ cron: '@daily', queue: 'q', topic: 't' }, 'one of queue, topic and to'],
  [{ cron: '@daily', queue: '$q' }, '$q'],
  [{ cron: '@daily', topic: 'a.*' }, 'a.*'],
  [{ cron: '@daily', to: '@a' }, 'a message needs a type'],
  [{ cron: '@daily', queue: 'q', type: 'x' }, 'type needs to'],
  [{ cron: '@daily', topic: 't', maxAttempts: 3 }, 'maxAttempts'],
  [{ cron: '@daily', queue: 'q', priority: 10 }, 'priority'],
  [{ cron: '@daily', queue: 'q', headers: { 'bus-x': '1' } }, 'bus-x'],
  [{ cron: '@daily', queue: 'q', headers: { 'a b': '1' } }, 'a b'],
  [{ cron: '@daily', queue: 'q', missed: 'all' }, 'missed'],
  [{ cron: '@daily', queue: 'q', startAt: 5 }, 'startAt'],
  [{ cron: '@daily', queue: 'q', id: 'x' }, 'id'],
  [{ cron: '@daily', queue: 'q', body: new Uint8Array(3) }, 'JSON'],
  [{ cron: '0 0 30 2 *', queue: 'q' }, 'never fires'],
  [{ cron: '@daily', queue: { kind: 'queue', queue: 'q', schemas: { task: stringSchema } }, body: 5 }, 'not valid'],
])('%j is refused', async (options, text) => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  const put = bus.schedules.put('x', options as never);
  await expect(put).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(text) });
});

test('a schedule larger than a value of a key is refused, and so is a bad name', async () => {
  await using lab = await Lab.open('memory');
  const { schedules } = await lab.bus();
  const large = schedules.put('x', { cron: '@daily', queue: 'q', body: 'x'.repeat(70_000) });
  await expect(large).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
  for (const name of ['', 'a b', '$x', 'x'.repeat(151)]) {
    const put = schedules.put(name, { cron: '@daily', queue: 'q' });
    await expect(put).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
});
