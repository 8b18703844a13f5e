/** Lifecycle: closing with calls in flight, held messages and pending waits. */

import type { Delivery, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { operationsOf } from '../inputs/operations.ts';
import { assertDeliveredOnce, idsOf, receiveOne, settle, settleStatuses, waitUntil } from '../steps/consuming.ts';
import { publish } from '../steps/event-log.ts';
import { assertCounts } from '../steps/queue-view.ts';

const FOREVER = Number.POSITIVE_INFINITY;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Lifecycle' }, [
  {
    id: 'F2',
    title: 'every operation is CLOSED after close begins; settling works until close ends',
    rules: ['RA3'],
    smoke: true,
    async run(test) {
      const [stays, client] = [await test.transport(), await test.open()];
      await test.send(stays, 'held', test.messages(2));
      const [first, second] = await test.receive(client, 'held', 2);
      const closed = client.close({ drainMs: 15_000 });
      test.check.equal(client.state, 'closing', 'state while a delivery is held');
      const operations = operationsOf(client);
      for (const { name, call, whileClosing } of operations)
        if (!whileClosing) await test.check.rejects(call(client), 'CLOSED', `${name} while closing`);
      for (const held of [first, second]) if (held) await test.ack(client, [held]);
      await closed;
      for (const { name, call } of operations) await test.check.rejects(call(client), 'CLOSED', `${name} once closed`);
      const queues = (await stays.admin.queues()).map(({ name, ready }) => [name, ready]);
      test.check.equal(queues, [['held', 0]], 'queues of the store');
      test.check.equal(await stays.kv.list(''), [], 'keys of the store');
    },
  },
  {
    id: 'F5',
    title: 'closing waits for calls in flight and for running handlers',
    rules: ['RA3', 'RD1'],
    async run(test) {
      const [stays, client] = [await test.transport(), await test.open()];
      const gate = Promise.withResolvers<void>();
      let [begun, handled] = [0, 0];
      await client.topics.subscribe('news', {}, async (events) => {
        begun += 1;
        await gate.promise;
        handled += events.length;
      });
      await publish(test, stays, 'news', test.messages(1));
      await test.until('the handler runs', () => begun === 1);
      const sends = test.messages(30, {}, 'sent').map((message) => test.send(client, 'inbox', [message]));
      const put = client.kv.put('key', Uint8Array.of(1));
      let isOver = false;
      const closed = client.close().then(() => (isOver = true));
      const results = (await Promise.all(sends)).flat();
      test.check.equal((await put).status, 'stored', 'a put in flight');
      await assertCounts(test, stays, 'inbox', { ready: results.length });
      await waitUntil(test, performance.now() + 100);
      test.check.equal([isOver, handled], [false, 0], 'closing waits for the handler');
      gate.resolve();
      await closed;
      test.check.equal(handled, 1, 'events handled at the close');
    },
  },
  {
    id: 'F6',
    title: 'closing takes at most its time-out; held messages then go to other consumers, uncounted',
    rules: ['RA3', 'RQ2'],
    smoke: true,
    async run(test) {
      const [stays, client] = [await test.transport(), await test.open()];
      await test.send(stays, 'inbox', test.messages(3));
      const held = await test.receive(client, 'inbox', 3);
      const began = performance.now();
      const closed = client.close({ drainMs: 300 });
      await test.nothing(stays, 'inbox', 150);
      await closed;
      test.check.between(performance.now() - began, 295, 4_000, 'closing with 300 ms to drain took');
      const again = await test.receive(stays, 'inbox', 3, 2_000);
      const released = held.map(({ id }) => [id, 1]);
      test.check.mapped(again, ({ id, attempt }) => [id, attempt], released, 'released messages');
      if (!test.capabilities.features.portableReceipts) return;
      const statuses = await settleStatuses(stays, held, { action: 'ack' });
      test.check.equal(statuses, Array(3).fill('lease-lost'), 'the old receipts');
      await test.ack(stays, again);
    },
  },
  {
    id: 'F7',
    title: 'closing is not a failure: receives end with CLOSED, subscriptions and watches end without an error',
    rules: ['RA3'],
    async run(test) {
      const client = await test.open();
      const waits = ['one', 'two', 'two'].map((queue) => client.queues.receive(queue, { waitMs: FOREVER }));
      const refusals = waits.map((wait) => test.check.rejects(wait, 'CLOSED', 'a wait ended by the close'));
      const handle = (): void => undefined;
      const subscriptions = [
        await client.topics.subscribe('news.*', {}, handle),
        await client.topics.subscribe('>', { from: 'start' }, handle),
      ];
      const watch = await client.kv.watch('', handle);
      await client.close();
      for (const { retryable, outcome } of await Promise.all(refusals))
        test.check.equal([retryable, outcome], [false, 'failed'], 'error of the pending receive');
      for (const live of [...subscriptions, watch]) {
        test.check.equal(await live.ended, undefined, 'the error that ended a live wait');
        await live.close();
      }
    },
  },
  {
    id: 'F8',
    title: 'while closing, held messages can be extended and settled in parts, and the last settlement ends it',
    rules: ['RA3', 'RQ1'],
    load: 'timed',
    async run(test) {
      const [stays, client] = [await test.transport(), await test.open()];
      await client.queues.configure('inbox', { leaseMs: 1_000 });
      const sent = await test.send(stays, 'inbox', test.messages(30));
      const held = await test.receive(client, 'inbox', 20);
      const began = performance.now();
      const closed = client.close({ drainMs: 15_000 });
      while (performance.now() - began < 1_300) {
        await settle(test, client, held, { action: 'extend' });
        await waitUntil(test, performance.now() + 100);
      }
      for (let from = 0; from < 20; from += 5) {
        await settle(test, client, held.slice(from, from + 5), { action: 'ack' });
        if (from < 15) test.check.equal(client.state, 'closing', 'state while messages are held');
      }
      await closed;
      test.check.between(performance.now() - began, 1_300, 10_000, 'closing took');
      await test.ack(stays, await test.receive(stays, 'inbox', 10));
      await assertCounts(test, stays, 'inbox', { ready: 0, leased: 0 });
      assertDeliveredOnce(test, idsOf(sent));
    },
  },
  {
    id: 'F9',
    title: 'closing releases unsettled messages at once; with `keep` they stay leased until they expire',
    rules: ['RA3', 'RQ2', 'RQ3'],
    shows: ['portableReceipts'],
    smoke: true,
    async run(test, stays) {
      const [releases, keeps] = [await test.open(), await test.open()];
      for (const queue of ['released', 'kept'])
        await stays.queues.configure(queue, { leaseMs: queue === 'kept' ? 1_500 : 60_000 });
      await test.send(stays, 'released', test.messages(3));
      await test.send(stays, 'kept', test.messages(1));
      await test.receive(releases, 'released', 2);
      const held = await receiveOne(test, keeps, 'kept');
      await Promise.all([releases.close(), keeps.close({ leases: 'keep' })]);
      const back = await test.receive(stays, 'released', 3, 2_000);
      const texts = back.map((one) => `${test.text(one)} ${one.attempt}`);
      if (!test.capabilities.features.retryKeepsPlace) texts.sort();
      test.check.equal(texts, ['m0 1', 'm1 1', 'm2 1'], 'released messages');
      if (test.capabilities.lease === 'connection') return;
      await assertCounts(test, stays, 'kept', { ready: 0, leased: 1 });
      await keptLease(test, stays, held);
    },
  },
]);

/** A lease kept past the close of its client: others wait for its expiry, or settle it with the receipt. */
async function keptLease(test: TestContext, stays: Transport, held: Delivery): Promise<void> {
  if (test.capabilities.features.portableReceipts) {
    await settle(test, stays, [held], { action: 'ack' });
    return assertCounts(test, stays, 'kept', { ready: 0, leased: 0, dead: 0 });
  }
  const again = await receiveOne(test, stays, 'kept');
  test.check.equal([again.id, again.attempt], [held.id, 2], 'redelivered after the lease');
}
