/** Schedules: each planned time fires once. */

import { type Bus, openBus, type ScheduleOptions } from '@busbar/api';
import type { Delivery } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { withWallClock } from '../context/wall-clock.ts';
import { type Stall, withStall } from '../faults/stalled-schedules.ts';
import { moduleOf } from '../processes/remote-client.ts';

const running = moduleOf('run-schedules');
const HOUR_MS = 3_600_000;
/** Of the process that fires: another one goes on so much later. */
const LEASE_MS = 300;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Delay' }, [
  {
    id: 'L11',
    title: 'each planned time of a schedule fires once, however many buses run schedules',
    rules: ['RS1'],
    smoke: true,
    async run(test) {
      const buses = [await test.bus(), await test.bus(), await test.bus()];
      const [bus] = buses as [Bus];
      const schedulers = buses.map((one) => one.schedules.start());
      const active = await test.until('one is active', () => schedulers.find(({ isActive }) => isActive));
      test.check.equal(schedulers.filter(({ isActive }) => isActive).length, 1, 'active ones');
      const at = Date.now();
      const names = Array.from({ length: 8 }, (_, index) => `tick.${index}`);
      await Promise.all(names.map((name) => putDue(bus, name, at, { queue: 'work', body: name })));
      const tasks = await take(test, bus, 8);
      const time = new Date(at).toISOString();
      test.check.equal(tasks.map(({ headers }) => headers['schedule-name']).sort(), names, 'their schedules');
      test.check.every(tasks, ({ headers }) => headers['schedule-time'] === time, 'their planned time');
      test.check.equal(schedulers.filter(({ isActive }) => isActive).length, 1, 'active ones when all have fired');
      await active.close();
      await test.until('another is active', () => schedulers.some((one) => one !== active && one.isActive));
      await putDue(bus, 'last', at, { queue: 'work' });
      const [last] = await take(test, bus, 1);
      test.check.equal(last?.headers['schedule-name'], 'last', 'what the next one fires');
      await test.until('the next times are stored', async () => {
        const all = await bus.schedules.list();
        return all.length === 9 && all.every(({ nextAt }) => nextAt === at + HOUR_MS);
      });
      test.check.equal(await left(bus), 0, 'further tasks');
    },
  },
  {
    id: 'L12',
    title: 'a process that stands still while it fires, and goes on later, neither loses nor doubles a planned time',
    rules: ['RS1'],
    async run(test) {
      const bus = await test.bus();
      for (const stall of ['before the message', 'before the record'] satisfies Stall[]) {
        const { transport, reached, goOn } = withStall(await test.open(), stall);
        test.defer(goOn);
        const slow = openBus(transport, { onError: () => undefined, ownsTransport: false });
        test.defer(() => slow.close({ drainMs: 0 }));
        const stalled = slow.schedules.start({ leaseMs: LEASE_MS });
        await test.until('it is active', () => stalled.isActive);
        const at = Date.now();
        await putDue(bus, 'tick', at, { queue: 'work' });
        await reached;
        const quick = bus.schedules.start({ leaseMs: LEASE_MS });
        await test.until('the next time is stored', async () => {
          return (await bus.schedules.get('tick'))?.nextAt === at + HOUR_MS;
        });
        goOn();
        await stalled.close();
        await checkFiredOnce(test, bus, at, stall);
        await quick.close();
        await bus.schedules.delete('tick');
      }
    },
  },
  {
    id: 'L13',
    title:
      'a process that is killed after it sent the message of a schedule leaves one message, and the next one goes on',
    rules: ['RS1'],
    harnessFeatures: ['processes'],
    async run(test) {
      const [bus, process] = [await test.bus(), await test.process()];
      await process.run(running, 'runSchedules', { leaseMs: LEASE_MS });
      const at = Date.now();
      await putDue(bus, 'tick', at, { queue: 'work' });
      await process.run(running, 'untilStill');
      await process.kill();
      bus.schedules.start({ leaseMs: LEASE_MS });
      await test.until('the next time is stored', async () => {
        return (await bus.schedules.get('tick'))?.nextAt === at + HOUR_MS;
      });
      await checkFiredOnce(test, bus, at, 'after a kill');
    },
  },
  {
    id: 'L14',
    title:
      'a schedule that is paused or deleted does not fire; it can be run now, and goes on with the next planned time',
    rules: ['RS1'],
    async run(test) {
      const [bus, other] = [await test.bus(), await test.bus()];
      const at = Date.now();
      for (const name of ['paused', 'deleted']) await putDue(bus, name, at, { queue: 'work' });
      await other.schedules.pause('paused');
      test.check.equal(await other.schedules.delete('deleted'), true, 'whether it existed');
      bus.schedules.start();
      await putDue(other, 'mark', at, { queue: 'work' });
      const [mark] = await take(test, bus, 1);
      test.check.equal(mark?.headers['schedule-name'], 'mark', 'the only one that fires');
      const id = await other.schedules.runNow('paused');
      const [now] = await take(test, bus, 1);
      test.check.equal([now?.id, now?.headers['schedule-name']], [id, 'paused'], 'a paused one that is run now');
      const { nextAt = 0 } = await other.schedules.resume('paused');
      test.check.between(nextAt, Date.now(), at + HOUR_MS, 'the next time of a resumed one');
      await putDue(other, 'end', at, { topic: 'news' });
      await test.until('the event is stored', async () => {
        for await (const { headers } of bus.history('news')) return headers['schedule-name'] === 'end';
        return false;
      });
      test.check.equal(await left(bus), 0, 'further tasks');
    },
  },
  {
    id: 'L15',
    title: 'times that were missed fire once or never, and no time fires twice where a clock goes back',
    rules: ['RS1'],
    async run(test) {
      const [bus, ahead] = [await test.bus(), await test.bus()];
      const at = Date.now();
      await putDue(bus, 'once', at - 2.5 * HOUR_MS, { queue: 'work' });
      await putDue(bus, 'skip', at - 2.5 * HOUR_MS, { queue: 'work', missed: 'skip' });
      await bus.schedules.put('ahead', { everyMs: HOUR_MS, startAt: new Date(at + HOUR_MS / 2), queue: 'work' });
      const first = bus.schedules.start();
      const [once] = await take(test, bus, 1);
      test.check.equal(plannedAt(once), at - HOUR_MS / 2, 'the planned time of missed ones');
      for (const name of ['once', 'skip']) {
        const isNext = async (): Promise<boolean> => (await bus.schedules.get(name))?.nextAt === at + HOUR_MS / 2;
        await test.until('its next time is stored', isNext);
      }
      await first.close();
      await withWallClock(HOUR_MS, async () => {
        const scheduler = ahead.schedules.start();
        const tasks = await take(test, bus, 2);
        test.check.every(tasks, (task) => plannedAt(task) === at + HOUR_MS / 2, 'planned times of a clock ahead');
        await scheduler.close();
      });
      bus.schedules.start();
      await putDue(bus, 'mark', at, { queue: 'work' });
      const [mark] = await take(test, bus, 1);
      test.check.equal(mark?.headers['schedule-name'], 'mark', 'what fires when the clock is right again');
      test.check.equal(await left(bus), 0, 'further tasks');
    },
  },
  {
    id: 'L16',
    title: 'a cron expression fires at its planned times in its time zone, also when summer time begins there',
    rules: ['RS1'],
    async run(test) {
      const bus = await test.bus();
      const nextTimes = async (): Promise<unknown[]> =>
        (await bus.schedules.list()).map(({ name, nextAt = 0 }) => [name, new Date(nextAt).toISOString()]);
      await withWallClock(SATURDAY - HOUR_MS / 2 - Date.now(), async () => {
        for (const { name, cron, timeZone } of CRONS) await bus.schedules.put(name, { cron, timeZone, queue: 'work' });
      });
      test.check.equal(await nextTimes(), plannedTimes(0), 'the first planned times');
      await withWallClock(SATURDAY - 300 - Date.now(), async () => {
        const scheduler = bus.schedules.start();
        const first = await take(test, bus, 1);
        test.check.ok(Date.now() >= SATURDAY, 'whether its planned time has come');
        const tasks = [...first, ...(await take(test, bus, 2))];
        const names = tasks.map(({ headers }) => headers['schedule-name']).sort();
        test.check.equal(names, ['berlin', 'new-york', 'utc'], 'those that fire');
        test.check.every(tasks, (task) => plannedAt(task) === SATURDAY, 'their planned times');
        await test.until('the next times are stored', async () => {
          const all = await bus.schedules.list();
          return all.filter(({ lastAt }) => lastAt === SATURDAY).length === 3;
        });
        await scheduler.close();
      });
      test.check.equal(await nextTimes(), plannedTimes(1), 'the planned times after them');
      test.check.equal(await left(bus), 0, 'further tasks');
    },
  },
]);

const SATURDAY = Date.parse('2027-03-27T08:00Z');

/** With their planned times after 07:30 and after 08:00 of that day. In Berlin summer time begins on Sunday. */
const CRONS = [
  { name: 'berlin', cron: '0 9 * * *', timeZone: 'Europe/Berlin', times: ['2027-03-27T08:00', '2027-03-28T07:00'] },
  {
    name: 'new-york',
    cron: '0 4 * * *',
    timeZone: 'America/New_York',
    times: ['2027-03-27T08:00', '2027-03-28T08:00'],
  },
  { name: 'tokyo', cron: '0 9 * * *', timeZone: 'Asia/Tokyo', times: ['2027-03-28T00:00', '2027-03-28T00:00'] },
  { name: 'utc', cron: '0 8 * * *', timeZone: undefined, times: ['2027-03-27T08:00', '2027-03-28T08:00'] },
  { name: 'weekdays', cron: '0 8 * * MON-FRI', timeZone: undefined, times: ['2027-03-29T08:00', '2027-03-29T08:00'] },
] as const;

function plannedTimes(round: 0 | 1): unknown[] {
  return CRONS.map(({ name, times }) => [name, `${times[round]}:00.000Z`]);
}

type DueMessage = Pick<ScheduleOptions, 'body' | 'missed'> & ({ readonly queue: string } | { readonly topic: string });

/** Puts a schedule whose first planned time, `at`, has come. It fires every hour. */
async function putDue(bus: Bus, name: string, at: number, message: DueMessage): Promise<void> {
  const options = { ...message, everyMs: HOUR_MS, startAt: new Date(at) } as ScheduleOptions;
  await withWallClock(-4 * HOUR_MS, () => bus.schedules.put(name, options));
}

/** Receives and acks tasks of the queue `work`. */
async function take(test: TestContext, { transport }: Bus, count: number): Promise<Delivery[]> {
  const taken: Delivery[] = [];
  await test.until(`${count} tasks`, async () => {
    const options = { max: count - taken.length, waitMs: 1_000 };
    const deliveries = await transport.queues.receive('work', options).catch(() => []);
    await transport.queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
    taken.push(...deliveries);
    return taken.length === count;
  });
  return taken;
}

/** How many tasks the queue `work` has. */
async function left({ transport }: Bus): Promise<number> {
  const [queue] = await transport.admin.queues({ names: ['work'] });
  return (queue?.ready ?? 0) + (queue?.delayed ?? 0) + (queue?.leased ?? 0);
}

function plannedAt(task: Delivery | undefined): number {
  return Date.parse(task?.headers['schedule-time'] ?? '');
}

async function checkFiredOnce(test: TestContext, bus: Bus, at: number, why: string): Promise<void> {
  const [task] = await take(test, bus, 1);
  test.check.equal(plannedAt(task), at, `planned time of the task, ${why}`);
  test.check.equal(await left(bus), 0, `further tasks, ${why}`);
}
