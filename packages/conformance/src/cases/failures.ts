/** Errors: throwing handlers, and silence on success. */

import { type BackgroundFailure, type Bus, RejectError } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import { captureOutput } from '../context/console-output.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, texts } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';
import { deadLetters } from '../steps/queue-view.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

const body = Uint8Array.of(1);

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Errors/bad input' }, [
  {
    id: 'E7',
    title:
      'an error thrown by a handler is always reported: as a response, as the end of a subscription, or to `onError`',
    rules: ['RT1', 'RA1'],
    async run(test) {
      const reported: string[] = [];
      const kinds = new Set<string>();
      const onError = ({ error, kind, place }: BackgroundFailure): void => {
        kinds.add(kind);
        reported.push(`${place}: ${error.message} ${String(error.cause)}`);
        throw new Error('the error listener throws too');
      };
      const [bus, transport] = [await test.bus({ onError }), await test.transport()];
      const unhandled: unknown[] = [];
      const note = (reason: unknown): void => void (isOurs(reason) && unhandled.push(reason));
      process.on('unhandledRejection', note);
      test.defer(() => void process.off('unhandledRejection', note));
      await throwEverywhere(test, bus);
      const whats = ['mail', 'ask', 'event', 'watcher', 'task', 'rejected'].map((what) => thrown(what).message);
      await test.until('all is reported', () => whats.every((what) => reported.some((one) => one.includes(what))));
      test.check.equal([...kinds].sort(), ['event', 'message', 'presence', 'request', 'task'], 'kinds of failures');
      await deadLetters(test, transport, 'thrown', 3);
      await deadLetters(test, transport, '$inbox.@thrower', 1);
      const subscription = await transport.topics.subscribe('raw', {}, () => Promise.reject(thrown('raw')));
      const watch = await transport.kv.watch('raw', () => {
        throw thrown('watch');
      });
      await transport.topics.publish('raw', [{ body }]);
      test.check.ok(String((await subscription.ended)?.cause).includes('raw'), 'a subscription ends with the error');
      test.check.ok(String((await watch.ended)?.cause).includes('watch'), 'a watch ends with the error');
      await new Promise(setImmediate);
      test.check.equal(unhandled.map(String), [], 'unhandled rejections');
    },
  },
  {
    id: 'E18',
    title: 'a failure has its kind, its source, the id and the attempt; a logger warns once for each place',
    rules: ['RA1'],
    async run(test) {
      const failures: BackgroundFailure[] = [];
      const bus = await test.bus({ onError: (failure) => void failures.push(failure) });
      const named = await failOnce(test, bus);
      await test.until('all is reported', () => failures.length >= 6);
      test.check.equal(
        failures.map((failure) => describeFailure(failure, named)).sort(),
        [
          'event kept event 1: subscription kept',
          'event news live event 1: subscription news',
          'message @failing mail 1: inbox @failing',
          'request @failing ask other 1: request ask of @failing',
          'task jobs task 1: tasks of jobs',
          'task jobs task 2: tasks of jobs',
        ],
        'failures',
      );
      const lines: { readonly start: string; readonly fields: object }[] = [];
      const write = (level: string) => (text: string, fields: object) =>
        void lines.push({ start: `${level} ${text.split(':')[0]}`, fields });
      const logger = { warn: write('warn'), info: write('info'), debug: write('debug') };
      const logged = await test.bus({ onError: undefined, logger });
      await logged.agent('@logged');
      await logged.process('logged', () => Promise.reject(thrown('logged')), { maxAttempts: 2, retry: { baseMs: 0 } });
      const logs = new Map([[(await bus.enqueue('logged')).id, 'task']]);
      await test.until('all is logged', () => lines.length >= 3);
      test.check.equal(
        lines.map(({ start, fields }) => `${start} (${describeFailure(fields as BackgroundFailure, logs)})`),
        [
          'info agent @logged (@logged)',
          'warn tasks of logged (task logged task 1: tasks of logged)',
          'debug tasks of logged (task logged task 2: tasks of logged)',
        ],
        'lines of the logger',
      );
    },
  },
  {
    id: 'E8',
    title: 'success is silent: no console output and no warning',
    rules: ['RA1', 'RA6'],
    async run(test) {
      const lines = await captureOutput(async () => {
        const [one, other] = [await test.open(), await test.open()];
        const log = await follow(test, other, 'news');
        await publish(test, one, 'news', test.messages(20));
        await log.has(texts(test, test.messages(20)), 'events');
        await test.send(one, 'inbox', test.messages(50));
        await consume(test, other, 'inbox', 50, 7);
        const waits = Array.from({ length: 30 }, (_, index) => other.queues.receive(`wait.${index}`, { waitMs: 50 }));
        await Promise.all(waits);
        const bus = await test.bus();
        const agent = await bus.agent('@quiet');
        agent.handle('ask', () => 'response');
        test.check.equal(await agent.request('@quiet', 'ask', null, LONG_TIMEOUT), 'response', 'the response');
        await bus.lock('door', () => undefined, { leaseMs: 100 });
        await bus.close();
        await Promise.all([one.close(), other.close()]);
      });
      test.check.equal(lines, [], 'written lines');
    },
  },
]);

/** An error that the case recognizes. */
function thrown(what: string): Error {
  return new Error(`thrown by a handler: ${what}`);
}

/** Makes one handler of each kind throw, that of tasks twice. Resolves with names of their messages, by id. */
async function failOnce(test: TestContext, bus: Bus): Promise<Map<string, string>> {
  const fail = (): never => {
    throw thrown('once');
  };
  const agent = await bus.agent('@failing', { maxAttempts: 1 });
  agent.handle('mail', fail);
  agent.handle('ask', fail);
  await bus.process('jobs', fail, { maxAttempts: 2, retry: { baseMs: 0 } });
  await bus.subscribe('news', fail, { durableName: 'kept', maxAttempts: 1 });
  await bus.subscribe('news', fail);
  const [task, mail, event] = [
    await bus.enqueue('jobs'),
    await bus.send('@failing', 'mail'),
    await bus.publish('news', null),
  ];
  await test.check.rejects(bus.request('@failing', 'ask', null, LONG_TIMEOUT), 'HANDLER_FAILED', 'a request');
  return new Map([
    [task.id, 'task'],
    [mail.id, 'mail'],
    [event.id, 'event'],
  ]);
}

function describeFailure(failure: BackgroundFailure, named: ReadonlyMap<string, string>): string {
  const { kind, queue, agent, subscription, isLive, type, id, attempt, place } = failure;
  const who = id === undefined ? undefined : (named.get(id) ?? 'other');
  const words = [kind, queue ?? agent ?? subscription, isLive && 'live', type, who, attempt];
  const text = words.filter((word) => word !== undefined).join(' ');
  return place === undefined ? text : `${text}: ${place}`;
}

function isOurs(reason: unknown): boolean {
  return (
    reason === undefined ||
    String(reason).includes('thrown by a handler') ||
    String(reason).includes('the error listener throws')
  );
}

/** Makes handlers of every kind throw, each in a different way. */
async function throwEverywhere(test: TestContext, bus: Bus): Promise<void> {
  const agent = await bus.agent('@thrower', { maxAttempts: 1 });
  agent.handle('mail', () => {
    throw thrown('mail');
  });
  agent.handle('ask', () => Promise.reject(thrown('ask')));
  await bus.subscribe('thrown', async () => {
    await Promise.resolve();
    throw thrown('event');
  });
  await bus.watchAgents(() => Promise.reject(thrown('watcher')));
  await bus.process(
    'thrown',
    ({ body: how }) => {
      if (how === 'sync') throw thrown('task');
      if (how === 'reject') throw new RejectError('thrown by a handler: rejected');
      return Promise.reject();
    },
    { maxAttempts: 1, concurrency: 3 },
  );
  const other = await test.agent('@other');
  await other.send('@thrower', 'mail');
  await test.check.rejects(other.request('@thrower', 'ask', null, LONG_TIMEOUT), 'HANDLER_FAILED', 'a request');
  await other.publish('thrown', null);
  for (const how of ['sync', 'reject', 'nothing']) await other.enqueue('thrown', how);
}
