/** Life-cycle events of a bus. */

import type { Bus, BusEventMap } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

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
]);

const NAMES = ['sent', 'started', 'done', 'cancelled', 'failed', 'released', 'lease-lost', 'agent'] as const;

type Seen = { readonly name: (typeof NAMES)[number]; readonly event: Partial<AnyEvent> };
type AnyEvent = BusEventMap['sent'] & BusEventMap['failed'] & BusEventMap['agent'];

function record(bus: Bus): Seen[] {
  const seen: Seen[] = [];
  for (const name of NAMES) bus.events.on(name, (event) => void seen.push({ name, event: event as Partial<AnyEvent> }));
  return seen;
}

function describe(name: string, event: Partial<AnyEvent>, named: ReadonlyMap<string, string>): string {
  const { kind, target, queue, agent, state, id, attempt, next, reason } = event;
  const who = id === undefined ? undefined : (named.get(id) ?? 'other');
  const words = [name, kind, target ?? queue ?? agent, state, who, attempt, next, reason];
  return words.filter((word) => word !== undefined).join(' ');
}
