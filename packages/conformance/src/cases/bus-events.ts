/** Life-cycle events of a bus. */

import { type Bus, openBus, RetryError } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import { withLateAnswers } from '../faults/late-answers.ts';
import { LONG_TIMEOUT, untilFired } from '../steps/requesting.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Errors/bad input' }, [
  {
    id: 'E16',
    title: 'the events of a bus tell each state of its tasks, messages, requests and agents, with id and attempt',
    rules: ['RQ5', 'RA1'],
    async run(test) {
      const bus = await test.bus();
      const seen = record(bus);
      const over = (count: number) => (): boolean => seen.filter(({ name }) => name === 'done').length === count;
      const failOnce = (_: unknown, { attempt }: { readonly attempt: number }): void => {
        if (attempt === 1) throw new Error('once');
      };
      await bus.process('jobs', failOnce, { retry: { baseMs: 0 } });
      const agent = await bus.agent('@events');
      agent.handle('echo', ({ body }) => body);
      const task = await bus.enqueue('jobs', 'x');
      await task.result(LONG_TIMEOUT);
      const mail = await bus.send('@events', 'echo', 'x');
      await test.until('the task and the message are done', over(2));
      await bus.request('@events', 'echo', 'x', LONG_TIMEOUT);
      await test.until('the request is done', over(3));
      await agent.close();
      const named = new Map([
        [task.id, 'task'],
        [mail.id, 'mail'],
      ]);
      const lines = seen.map(({ name, event }) => describe(name, event, named));
      test.check.equal(
        lines.sort(),
        [
          'agent @events offline',
          'agent @events online',
          'done message @events mail 1',
          'done request @events other 1',
          'done task jobs task 2',
          'failed task jobs task 1 retry Error: once',
          'sent enqueue jobs task',
          'sent send @events mail',
          'started message @events mail 1',
          'started request @events other 1',
          'started task jobs task 1',
          'started task jobs task 2',
        ],
        'events',
      );
    },
  },
  {
    id: 'E17',
    title: 'the events of a bus tell that a task was cancelled or released, and that its lease was lost',
    rules: ['RQ2', 'RQ3', 'RQ5', 'RA1'],
    async run(test) {
      const [bus, other] = [await test.bus(), await test.bus()];
      const seen = record(bus);
      let begun = 0;
      const hang = async (_: unknown, { signal }: { readonly signal: AbortSignal }): Promise<void> => {
        begun += 1;
        await untilFired(signal);
      };
      const cancelled = await bus.enqueue('held');
      const worker = await bus.process('held', hang);
      await test.until('the first task began', () => begun === 1);
      const isCancelled = await other.task('held', cancelled.id).cancel({ running: true, ...LONG_TIMEOUT });
      const closed = await bus.enqueue('held');
      await test.until('the second task began', () => begun === 2);
      await worker.close({ drainMs: 0 });
      const snooze = (_: unknown, { attempt }: { readonly attempt: number }): void => {
        begun += 1;
        if (begun === 3) throw new RetryError(`at attempt ${attempt}`, { afterMs: 50, countAttempt: false });
      };
      await bus.process('postponed', snooze);
      const postponed = await bus.enqueue('postponed');
      await postponed.result(LONG_TIMEOUT);
      const late = openBus(withLateAnswers(await test.open(), { writeMs: LATE_MS }), { onError: () => undefined });
      test.defer(() => late.close({ drainMs: 0 }));
      const seenLate = record(late);
      const slow = await late.process('lost', () => undefined, { leaseMs: LEASE_MS });
      const lost = await other.enqueue('lost');
      await test.until('the handler has begun', () => seenLate.length > 0);
      slow.pause();
      await other.process('lost', () => 'done');
      await lost.result(LONG_TIMEOUT);
      await test.until('all events', () => count(seenLate, 'lease-lost') === 1 && count(seen, 'done') === 1);
      const named = new Map([
        ...([cancelled.id, closed.id, postponed.id] as const).map((id, index) => [id, `task ${index}`] as const),
        [lost.id, 'task 3'],
      ]);
      const isEnd = ({ name }: Seen): boolean => name !== 'sent' && name !== 'started';
      const ends = [...seen, ...seenLate].filter(isEnd);
      test.check.equal(isCancelled, true, 'whether it was cancelled');
      test.check.equal(
        ends.map(({ name, event }) => `${describe(name, event, named)}, delay ${event.delayMs}`).sort(),
        [
          'cancelled task held task 0 1, delay undefined',
          'done task postponed task 2 1, delay undefined',
          'lease-lost task lost task 3 1, delay undefined',
          'released task held task 1 1, delay undefined',
          'released task postponed task 2 1, delay 50',
        ],
        'ends of attempts',
      );
    },
  },
]);

const LEASE_MS = 400;
/** A settlement is made so much later. */
const LATE_MS = 2_000;

const NAMES = ['sent', 'started', 'done', 'cancelled', 'failed', 'released', 'lease-lost', 'agent'] as const;

type Seen = { readonly name: (typeof NAMES)[number]; readonly event: AnyEvent };
type Field = 'kind' | 'target' | 'queue' | 'agent' | 'state' | 'id' | 'attempt' | 'next' | 'reason' | 'delayMs';
/** The fields of all events. */
type AnyEvent = { readonly [Name in Field]?: string | number | undefined };

function count(seen: readonly Seen[], wanted: Seen['name']): number {
  return seen.filter(({ name }) => name === wanted).length;
}

function record(bus: Bus): Seen[] {
  const seen: Seen[] = [];
  for (const name of NAMES) bus.events.on(name, (event) => void seen.push({ name, event: event as AnyEvent }));
  return seen;
}

function describe(name: string, event: AnyEvent, named: ReadonlyMap<unknown, string>): string {
  const { kind, target, queue, agent, state, id, attempt, next, reason } = event;
  const who = id === undefined ? undefined : (named.get(id) ?? 'other');
  const words = [name, kind, target ?? queue ?? agent, state, who, attempt, next, reason];
  return words.filter((word) => word !== undefined).join(' ');
}
