/** Errors: throwing handlers, and silence on success. */

import { type Bus, type BusbarError, RejectError } from '@busbar/api';
import type { ConformanceCase } from '../case.ts';
import { writtenBy } from '../context/console-output.ts';
import type { Lab } from '../context/test-context.ts';
import { consume, texts } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';
import { deadLetters } from '../steps/queue-view.ts';
import { LONG } from '../steps/requesting.ts';

const group = 'Errors/bad input';
const body = Uint8Array.of(1);

export const cases: readonly ConformanceCase[] = [
  {
    id: 'E7',
    group,
    title: 'an error thrown by a handler is always reported: as a reply, as the end of a subscription, or to `onError`',
    level: 'MUST',
    rules: ['RT1', 'RA1'],
    async run(lab) {
      const reported: string[] = [];
      const onError = ({ message, cause }: BusbarError, where: string): void => {
        reported.push(`${where}: ${message} ${String(cause)}`);
        throw new Error('the error listener throws too');
      };
      const [bus, transport] = [await lab.bus({ onError }), await lab.transport()];
      const unhandled: unknown[] = [];
      const note = (reason: unknown): void => void (isOurs(reason) && unhandled.push(reason));
      process.on('unhandledRejection', note);
      lab.defer(() => void process.off('unhandledRejection', note));
      await throwEverywhere(lab, bus);
      const whats = ['mail', 'ask', 'event', 'watcher', 'task', 'rejected'].map((what) => thrown(what).message);
      await lab.until('all is reported', () => whats.every((what) => reported.some((one) => one.includes(what))));
      await deadLetters(lab, transport, 'thrown', 3);
      await deadLetters(lab, transport, '$inbox.@thrower', 1);
      const subscription = await transport.topics.subscribe('raw', {}, () => Promise.reject(thrown('raw')));
      const watch = await transport.kv.watch('raw', () => {
        throw thrown('watch');
      });
      await transport.topics.publish('raw', [{ body }]);
      lab.check.ok(String((await subscription.ended)?.cause).includes('raw'), 'a subscription ends with the error');
      lab.check.ok(String((await watch.ended)?.cause).includes('watch'), 'a watch ends with the error');
      await new Promise(setImmediate);
      lab.check.equal(unhandled.map(String), [], 'unhandled rejections');
    },
  },
  {
    id: 'E8',
    group,
    title: 'success is silent: no console output and no warning',
    level: 'MUST',
    rules: ['RA1', 'RA6'],
    async run(lab) {
      const lines = await writtenBy(async () => {
        const [one, other] = [await lab.open(), await lab.open()];
        const log = await follow(lab, other, 'news');
        await publish(lab, one, 'news', lab.messages(20));
        await log.has(texts(lab, lab.messages(20)), 'events');
        await lab.send(one, 'inbox', lab.messages(50));
        await consume(lab, other, 'inbox', 50, 7);
        const waits = Array.from({ length: 30 }, (_, index) => other.queues.receive(`wait.${index}`, { waitMs: 50 }));
        await Promise.all(waits);
        const bus = await lab.bus();
        const agent = await bus.agent('@quiet');
        agent.handle('ask', () => 'answer');
        lab.check.equal(await agent.request('@quiet', 'ask', null, LONG), 'answer', 'the answer');
        await bus.lock('door', { ttlMs: 100 }, () => undefined);
        await bus.close();
        await Promise.all([one.close(), other.close()]);
      });
      lab.check.equal(lines, [], 'lines that were written');
    },
  },
];

/** An error that the case recognizes. */
function thrown(what: string): Error {
  return new Error(`thrown by a handler: ${what}`);
}

function isOurs(reason: unknown): boolean {
  return (
    reason === undefined ||
    String(reason).includes('thrown by a handler') ||
    String(reason).includes('the error listener throws')
  );
}

/** Makes handlers of every kind throw, each in a different way. */
async function throwEverywhere(lab: Lab, bus: Bus): Promise<void> {
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
  await bus.process('thrown', { maxAttempts: 1, concurrency: 3 }, ({ body: how }) => {
    if (how === 'sync') throw thrown('task');
    if (how === 'reject') throw new RejectError('thrown by a handler: rejected');
    return Promise.reject();
  });
  const other = await lab.agent('@other');
  await other.send('@thrower', 'mail');
  await lab.check.rejects(other.request('@thrower', 'ask', null, LONG), 'HANDLER_FAILED', 'a request');
  await other.publish('thrown', null);
  for (const how of ['sync', 'reject', 'nothing']) await other.enqueue('thrown', how);
}
