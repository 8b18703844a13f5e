/** Ordering: what operators and ends of time do to messages with an ordering key. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { MessageInput, PendingResult, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, ROUNDING_MS, receiveOne, settle, texts } from '../steps/consuming.ts';
import { deadLetters } from '../steps/queue-view.ts';

const HOUR_MS = 3_600_000;
/** How late the next message of a key may be, beyond the granularity and the delays of this process. */
const SLACK_MS = 400;
const QUEUES = 8;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Ordering', timeoutMs: 60_000 }, [
  {
    id: 'O9',
    title: 'a message that is cancelled, purged or expires while it waits frees the next one of its ordering key',
    rules: ['RQ4', 'RQ6'],
    load: 'timed',
    needs: ['orderingKeys', 'cancel'],
    async run(test, transport) {
      const operator = await test.open();
      await endedBy(test, transport, 'cancelled', async (id) => {
        test.check.equal(statusesOf(await operator.admin.cancel('cancelled', [id])), ['done'], 'cancelled');
      });
      await endedBy(test, transport, 'purged', async (id) => {
        test.check.equal(await operator.admin.purge('purged', { state: 'delayed', ids: [id] }), 1, 'purged');
      });
      await endedByTime(test, transport, 'retried', async (queue, messages) => {
        await test.send(transport, queue, messages);
        await retryFirst(test, transport, queue);
      });
      await endedByTime(test, transport, 'delayed', async (queue, [head, ...others]) => {
        await test.send(transport, queue, [{ body: Buffer.of(), ...head, delayMs: HOUR_MS }, ...others]);
      });
    },
    refused: refusesKeys,
  },
  {
    id: 'O10',
    title: 'a message with an ordering key keeps its place when it is rescheduled, and goes behind when it is redriven',
    rules: ['RQ4', 'RQ5', 'RQ6'],
    needs: ['orderingKeys', 'cancel'],
    async run(test, transport) {
      const operator = await test.open();
      const reschedule = async (queue: string, id: string, delayMs: number): Promise<void> => {
        test.check.equal(statusesOf(await operator.admin.reschedule(queue, [id], delayMs)), ['done'], 'rescheduled');
      };
      for (const state of ['ready', 'delayed', 'retried']) {
        const [head] = await test.send(transport, state, twoOfOneKey(test, state === 'delayed' ? HOUR_MS : 0));
        if (state === 'retried') await retryFirst(test, transport, state);
        await reschedule(state, head?.id ?? '', HOUR_MS);
        await test.nothing(transport, state, 150);
        const changedAt = performance.now();
        await reschedule(state, head?.id ?? '', 200);
        const first = await receiveOne(test, transport, state);
        const waitedMs = performance.now() - changedAt;
        test.check.between(waitedMs, 199, test.beyond(5_000), `when the first came after a change of the ${state} one`);
        test.check.equal(test.text(first), 'k0', `the first after a change of the ${state} one`);
        await test.nothing(transport, state, 150);
        await settle(test, transport, [first], { action: 'retry' });
        const again = await receiveOne(test, transport, state);
        test.check.equal(again.id, first.id, 'the same, retried without a delay');
        await test.ack(transport, [again]);
        test.check.equal(texts(test, await consume(test, transport, state, 1)), ['k1'], 'the next one');
      }
      await test.send(transport, 'redriven', twoOfOneKey(test, 0));
      await settle(test, transport, [await receiveOne(test, transport, 'redriven')], { action: 'reject' });
      await deadLetters(test, transport, 'redriven', 1);
      test.check.equal(await operator.admin.redrive('redriven'), 1, 'redriven');
      const next = await receiveOne(test, transport, 'redriven');
      test.check.equal(test.text(next), 'k1', 'the one that it goes behind');
      await test.nothing(transport, 'redriven', 150);
      await test.ack(transport, [next]);
      test.check.equal(texts(test, await consume(test, transport, 'redriven', 1)), ['k0'], 'the redriven one');
    },
    refused: refusesKeys,
  },
]);

function twoOfOneKey(test: TestContext, delayMs: number): MessageInput[] {
  const [head, next] = test.messages(2, { orderingKey: 'k' }, 'k') as [MessageInput, MessageInput];
  return [{ ...head, delayMs }, next];
}

async function retryFirst(test: TestContext, transport: Transport, queue: string): Promise<void> {
  await settle(test, transport, [await receiveOne(test, transport, queue)], { action: 'retry', delayMs: HOUR_MS });
}

/** The head of a key waits for its retry until an operator ends it. */
async function endedBy(
  test: TestContext,
  transport: Transport,
  queue: string,
  end: (id: string) => Promise<void>,
): Promise<void> {
  const [head] = await test.send(transport, queue, twoOfOneKey(test, 0));
  await retryFirst(test, transport, queue);
  await test.nothing(transport, queue, 100);
  await end(head?.id ?? '');
  const next = await receiveOne(test, transport, queue);
  test.check.equal(test.text(next), 'k1', `the message after the ${queue} one`);
  await test.ack(transport, [next]);
}

/** The heads of some queues expire one after the other, long before they are due. */
async function endedByTime(
  test: TestContext,
  transport: Transport,
  kind: string,
  begin: (queue: string, messages: readonly MessageInput[]) => Promise<void>,
): Promise<void> {
  const lag = monitorEventLoopDelay({ resolution: 5 });
  lag.enable();
  const waits = Array.from({ length: QUEUES }, async (_, index) => {
    const [queue, ttlMs] = [`${kind}${index}`, 1_500 + index * 130];
    const [head, next] = twoOfOneKey(test, 0) as [MessageInput, MessageInput];
    const sentAt = performance.now();
    await begin(queue, [{ ...head, ttlMs }, next]);
    const begunAt = performance.now();
    const got = await receiveOne(test, transport, queue);
    const at = performance.now();
    test.check.equal(test.text(got), 'k1', `a message of ${queue} whose head has expired`);
    const latest = test.beyond(begunAt + ttlMs) + SLACK_MS + lag.max / 1e6;
    test.check.between(at, sentAt + ttlMs - ROUNDING_MS, latest, `when the next one of ${queue} came`);
  });
  await Promise.all(waits);
  lag.disable();
}

function statusesOf(results: readonly PendingResult[]): string[] {
  return results.map(({ status }) => status);
}

async function refusesKeys(test: TestContext): Promise<void> {
  const transport = await test.transport();
  if (transport.capabilities.features.orderingKeys === true) {
    await test.check.rejects(transport.admin.cancel('keyed', ['x']), 'UNSUPPORTED', 'cancel');
    return;
  }
  const keyed = test.messages(1, { orderingKey: 'a' });
  await test.check.rejects(transport.queues.send('keyed', keyed), 'UNSUPPORTED', 'a send with an ordering key');
}
