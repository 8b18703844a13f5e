/** Lifecycle: closing with calls in flight, held messages and pending waits. */

import type { Delivery, Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { operationsOf } from '../inputs/operations.ts';
import { idsOf, onceEach, reached, receiveOne, settle, verdicts } from '../steps/consuming.ts';
import { publish } from '../steps/event-log.ts';
import { holds } from '../steps/queue-view.ts';

const group = 'Lifecycle';
const FOREVER = Number.POSITIVE_INFINITY;

export const cases: readonly ConformanceCase[] = [
  {
    id: 'F2',
    group,
    title: 'every operation is CLOSED after close begins; settling works until close ends',
    level: 'MUST',
    rules: ['RA3'],
    smoke: true,
    async run(lab) {
      const [stays, client] = [await lab.transport(), await lab.open()];
      await lab.send(stays, 'held', lab.messages(2));
      const [first, second] = await lab.receive(client, 'held', 2);
      const closed = client.close({ drainMs: 15_000 });
      lab.check.equal(client.state, 'closing', 'state while a delivery is held');
      const operations = operationsOf(client);
      for (const { name, call, whileClosing } of operations)
        if (!whileClosing) await lab.check.rejects(call(client), 'CLOSED', `${name} while closing`);
      for (const held of [first, second]) if (held) await lab.ack(client, [held]);
      await closed;
      for (const { name, call } of operations) await lab.check.rejects(call(client), 'CLOSED', `${name} once closed`);
      lab.check.equal(
        (await stays.admin.queues()).map(({ name, ready }) => [name, ready]),
        [['held', 0]],
        'queues of the store',
      );
      lab.check.equal(await stays.kv.list(''), [], 'entries of the store');
    },
  },
  {
    id: 'F5',
    group,
    title: 'closing waits for calls in flight and for running handlers',
    level: 'MUST',
    rules: ['RA3', 'RD1'],
    async run(lab) {
      const [stays, client] = [await lab.transport(), await lab.open()];
      const gate = Promise.withResolvers<void>();
      let [begun, handled] = [0, 0];
      await client.topics.subscribe('news', {}, async (events) => {
        begun += 1;
        await gate.promise;
        handled += events.length;
      });
      await publish(lab, stays, 'news', lab.messages(1));
      await lab.until('the handler runs', () => begun === 1);
      const sends = lab.messages(30, {}, 'sent').map((message) => lab.send(client, 'inbox', [message]));
      const put = client.kv.put('key', Uint8Array.of(1));
      let isOver = false;
      const closed = client.close().then(() => (isOver = true));
      const results = (await Promise.all(sends)).flat();
      lab.check.equal((await put).status, 'stored', 'a put in flight');
      await holds(lab, stays, 'inbox', { ready: results.length });
      await reached(lab, performance.now() + 100);
      lab.check.equal([isOver, handled], [false, 0], 'closing waits for the handler');
      gate.resolve();
      await closed;
      lab.check.equal(handled, 1, 'events handled when it was closed');
    },
  },
  {
    id: 'F6',
    group,
    title: 'closing takes at most its time-out; held messages then go to other consumers, uncounted',
    level: 'MUST',
    rules: ['RA3', 'RQ2'],
    smoke: true,
    async run(lab) {
      const [stays, client] = [await lab.transport(), await lab.open()];
      await lab.send(stays, 'inbox', lab.messages(3));
      const held = await lab.receive(client, 'inbox', 3);
      const began = performance.now();
      const closed = client.close({ drainMs: 300 });
      await lab.nothing(stays, 'inbox', 150);
      await closed;
      lab.check.between(performance.now() - began, 295, 4_000, 'closing with 300 ms to drain took');
      const again = await lab.receive(stays, 'inbox', 3, 2_000);
      lab.check.equal(
        again.map(({ id, attempt }) => [id, attempt]),
        held.map(({ id }) => [id, 1]),
        'released messages',
      );
      if (!lab.capabilities.features.portableReceipts) return;
      lab.check.equal(await verdicts(stays, held, { action: 'ack' }), Array(3).fill('lease-lost'), 'the old receipts');
      await lab.ack(stays, again);
    },
  },
  {
    id: 'F7',
    group,
    title: 'closing is not a failure: receives end with CLOSED, subscriptions and watches end without an error',
    level: 'MUST',
    rules: ['RA3'],
    async run(lab) {
      const client = await lab.open();
      const waits = ['one', 'two', 'two'].map((queue) => client.queues.receive(queue, { waitMs: FOREVER }));
      const refusals = waits.map((wait) => lab.check.rejects(wait, 'CLOSED', 'a wait that closing cut short'));
      const handle = (): void => undefined;
      const subscriptions = [
        await client.topics.subscribe('news.*', {}, handle),
        await client.topics.subscribe('>', { from: 'start' }, handle),
      ];
      const watch = await client.kv.watch('', handle);
      await client.close();
      for (const { retryable, outcome } of await Promise.all(refusals))
        lab.check.equal([retryable, outcome], [false, 'failed'], 'error of the pending receive');
      for (const live of [...subscriptions, watch]) {
        lab.check.equal(await live.ended, undefined, 'the error that ended something live');
        await live.close();
      }
    },
  },
  {
    id: 'F8',
    group,
    title: 'while closing, held messages can be extended and settled in parts, and the last settlement ends it',
    level: 'MUST',
    rules: ['RA3', 'RQ1'],
    alone: true,
    async run(lab) {
      const [stays, client] = [await lab.transport(), await lab.open()];
      await client.queues.configure('inbox', { leaseMs: 1_000 });
      const sent = await lab.send(stays, 'inbox', lab.messages(30));
      const held = await lab.receive(client, 'inbox', 20);
      const began = performance.now();
      const closed = client.close({ drainMs: 15_000 });
      while (performance.now() - began < 1_300) {
        await settle(lab, client, held, { action: 'extend' });
        await reached(lab, performance.now() + 100);
      }
      for (let from = 0; from < 20; from += 5) {
        await settle(lab, client, held.slice(from, from + 5), { action: 'ack' });
        if (from < 15) lab.check.equal(client.state, 'closing', 'state while something is held');
      }
      await closed;
      lab.check.between(performance.now() - began, 1_300, 10_000, 'closing took');
      await lab.ack(stays, await lab.receive(stays, 'inbox', 10));
      await holds(lab, stays, 'inbox', { ready: 0, leased: 0 });
      onceEach(lab, idsOf(sent));
    },
  },
  {
    id: 'F9',
    group,
    title: 'closing releases unsettled messages at once; with `keep` they stay leased until they expire',
    level: 'MUST',
    rules: ['RA3', 'RQ2', 'RQ3'],
    shows: ['portableReceipts'],
    smoke: true,
    async run(lab) {
      const stays = await lab.transport();
      const [releases, keeps] = [await lab.open(), await lab.open()];
      for (const queue of ['released', 'kept'])
        await stays.queues.configure(queue, { leaseMs: queue === 'kept' ? 1_500 : 60_000 });
      await lab.send(stays, 'released', lab.messages(3));
      await lab.send(stays, 'kept', lab.messages(1));
      await lab.receive(releases, 'released', 2);
      const held = await receiveOne(lab, keeps, 'kept');
      await Promise.all([releases.close(), keeps.close({ leases: 'keep' })]);
      const back = await lab.receive(stays, 'released', 3, 2_000);
      const texts = back.map((one) => `${lab.text(one)} ${one.attempt}`);
      if (!lab.capabilities.features.retryKeepsPlace) texts.sort();
      lab.check.equal(texts, ['m0 1', 'm1 1', 'm2 1'], 'released messages');
      if (lab.capabilities.lease === 'connection') return;
      await holds(lab, stays, 'kept', { ready: 0, leased: 1 });
      await keptLease(lab, stays, held);
    },
  },
];

/** A lease kept past the close of its client: others wait for its expiry, or settle it with the receipt. */
async function keptLease(lab: Lab, stays: Transport, held: Delivery): Promise<void> {
  if (lab.capabilities.features.portableReceipts) {
    await settle(lab, stays, [held], { action: 'ack' });
    return holds(lab, stays, 'kept', { ready: 0, leased: 0, dead: 0 });
  }
  const again = await receiveOne(lab, stays, 'kept');
  lab.check.equal([again.id, again.attempt], [held.id, 2], 'redelivered after the lease');
}
