/** Acknowledging by bus handlers: backoff, concurrency, sends by handlers, and handlers that never return. */

import { type ConformanceCase, defineCases } from '../case.ts';
import { consume, fieldsOf, ROUNDING_MS, receiveOne, texts } from '../steps/consuming.ts';
import { assertCounts, deadLetters } from '../steps/queue-view.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Ack/nack/visibility' }, [
  {
    id: 'A12',
    title: 'the delays between retries follow the backoff policy: none shorter, none much longer',
    rules: ['RQ6', 'RQ5'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      const began: number[] = [];
      const retry = { baseMs: 100, factor: 2, maxMs: 300, jitter: 'none' } as const;
      await bus.process(
        'jobs',
        () => {
          began.push(performance.now());
          throw new Error('still broken');
        },
        { retry },
      );
      await bus.enqueue('jobs', 'x', { maxAttempts: 5 });
      const [letter] = await deadLetters(test, transport, 'jobs', 1);
      test.check.equal([began.length, letter?.attempts], [5, 5], 'attempts');
      for (const [index, wanted] of [100, 200, 300, 300].entries()) {
        const waited = (began[index + 1] ?? 0) - (began[index] ?? 0);
        test.check.between(
          waited,
          wanted - ROUNDING_MS,
          test.beyond(wanted) + 3_000,
          `the wait before retry ${index + 1}`,
        );
      }
    },
  },
  {
    id: 'A17',
    title: 'the configured number of handlers runs, never more, and no other message is leased',
    rules: ['RQ8'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      await bus.enqueueAll('jobs', texts(test, test.messages(30)));
      const crew = new Crew();
      const processor = await bus.process('jobs', () => crew.work(), { concurrency: 4 });
      await test.until('four handlers run', () => crew.running === 4);
      await assertCounts(test, transport, 'jobs', { leased: 4, ready: 26 });
      test.check.equal(processor.running, 4, 'handlers counted by the worker');
      while (crew.done < 30) {
        crew.letGo(1);
        await new Promise(setImmediate);
      }
      test.check.equal([crew.most, crew.begun], [4, 30], 'most handlers at a time, and handlers in all');
      await assertCounts(test, transport, 'jobs', { leased: 0, ready: 0 });
    },
  },
  {
    id: 'A18',
    title: 'the concurrency of a worker can be raised and lowered while it runs',
    rules: ['RQ8'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      await bus.enqueueAll('jobs', texts(test, test.messages(12)));
      const crew = new Crew();
      const processor = await bus.process('jobs', () => crew.work(), { concurrency: 1 });
      await assertCounts(test, transport, 'jobs', { leased: 1, ready: 11 });
      processor.concurrency = 5;
      await assertCounts(test, transport, 'jobs', { leased: 5, ready: 7 });
      await test.until('five handlers run', () => crew.running === 5);
      processor.concurrency = 2;
      crew.letGo(3);
      await assertCounts(test, transport, 'jobs', { leased: 2, ready: 7 });
      crew.letGo(1);
      await assertCounts(test, transport, 'jobs', { leased: 2, ready: 6 });
      test.check.equal(crew.most, 5, 'most handlers at a time');
      while (crew.done < 12) {
        crew.letGo(1);
        await new Promise(setImmediate);
      }
      await assertCounts(test, transport, 'jobs', { leased: 0, ready: 0 });
    },
  },
  {
    id: 'A20',
    title: 'a message sent by a failed handler is stored once, although the next attempt sends it again',
    rules: ['RQ7', 'RQ1'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      await transport.topics.bind('told', 'done.*');
      const attempts: number[] = [];
      await bus.process(
        'in',
        async (task, context) => {
          attempts.push(context.attempt);
          await context.enqueue('out', { made: task.body });
          await context.publish('done.x', { made: task.body });
          if (context.attempt < 3) throw new Error('after sending, before the ack');
        },
        { retry: { baseMs: 0 } },
      );
      await bus.enqueueAll('in', ['a', 'b']);
      await test.until('both tasks are done', () => attempts.filter((attempt) => attempt === 3).length === 2);
      await assertCounts(test, transport, 'in', { ready: 0, delayed: 0, leased: 0, dead: 0 });
      for (const queue of ['out', 'told']) {
        const got = await consume(test, transport, queue, 2);
        test.check.equal(texts(test, got).sort(), ['{"made":"a"}', '{"made":"b"}'], `messages of ${queue}`);
        await test.nothing(transport, queue, 50);
      }
    },
  },
  {
    id: 'A21',
    title: 'a handler that never returns keeps its lease while its process lives; closing releases the message in time',
    rules: ['RQ2', 'RA3'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      const signals: AbortSignal[] = [];
      const processor = await bus.process(
        'jobs',
        (_task, context) => {
          signals.push(context.signal);
          return new Promise<never>(() => undefined);
        },
        { leaseMs: 1_000 },
      );
      const { id } = await bus.enqueue('jobs', 'x');
      await test.until('the handler runs', () => signals.length === 1);
      await test.nothing(transport, 'jobs', test.beyond(2_250));
      test.check.equal(fieldsOf(signals, 'aborted'), [false], 'signal aborted');
      const began = performance.now();
      await processor.close({ drainMs: 50 });
      test.check.between(performance.now() - began, 0, 4_000, 'duration of the close');
      test.check.equal(fieldsOf(signals, 'aborted'), [true], 'signal aborted after close');
      test.check.equal((await receiveOne(test, transport, 'jobs')).id, id, 'released messages');
    },
  },
]);

/** Handlers that run until the case releases them. */
class Crew {
  begun = 0;
  done = 0;
  running = 0;
  most = 0;
  readonly #gates: (() => void)[] = [];

  async work(): Promise<void> {
    this.begun += 1;
    this.running += 1;
    this.most = Math.max(this.most, this.running);
    await new Promise<void>((resolve) => this.#gates.push(resolve));
    this.running -= 1;
    this.done += 1;
  }

  letGo(count: number): void {
    for (const open of this.#gates.splice(0, count)) open();
  }
}
