/** Concurrency: many clients in one process on one store. */

import { isBusbarError } from '@busbar/api';
import type { SendResult, Subscription, Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import { stillHeld } from '../context/garbage-collection.ts';
import type { Lab } from '../context/test-context.ts';
import { operationsOf } from '../inputs/operations.ts';
import { consume, idsOf, onceEach, share, texts } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';
import { holds, queueInfo } from '../steps/queue-view.ts';

const group = 'Concurrency';
const body = Uint8Array.of(1);

export const cases: readonly ConformanceCase[] = [
  {
    id: 'K1',
    group,
    title: '50 concurrent publishers lose and repeat no event, and each keeps its order',
    level: 'MUST',
    rules: ['RT1', 'RT5', 'RQ1'],
    async run(lab) {
      const clients = await Promise.all([lab.transport(), lab.open(), lab.open(), lab.open()]);
      const [reader = await lab.open()] = clients;
      await reader.topics.bind('bound', 'news.*');
      const log = await follow(lab, reader, 'news.>');
      const publisher = async (index: number): Promise<void> => {
        const client = clients[index % clients.length] ?? reader;
        for (let turn = 0; turn < 20; turn += 1)
          await publish(lab, client, `news.p${index % 7}`, lab.messages(1, {}, `${index}:${turn}:`));
      };
      await Promise.all(Array.from({ length: 50 }, (_, index) => publisher(index)));
      await lab.until('all events', () => log.events.length >= 1_000, 10_000);
      const bound = await consume(lab, reader, 'bound', 1_000);
      for (const [what, came] of [
        ['the subscription', log.texts],
        ['the bound queue', texts(lab, bound)],
      ] as const) {
        lab.check.equal(new Set(came).size, 1_000, `different events of ${what}`);
        lab.check.equal(came.length, 1_000, `events of ${what}`);
        for (let index = 0; index < 50; index += 1) lab.check.equal(turnsOf(came, index), TURNS, `order in ${what}`);
      }
      await holds(lab, reader, 'bound', { ready: 0, leased: 0 });
    },
  },
  {
    id: 'K2',
    group,
    title: 'four consumers share 2,000 tasks, and each task is handled exactly once',
    level: 'MUST',
    rules: ['RQ1', 'RQ2'],
    smoke: true,
    async run(lab) {
      const consumers = await Promise.all([lab.transport(), lab.open(), lab.open(), lab.open()]);
      const sender = await lab.open();
      const sending = Promise.all(
        Array.from({ length: 4 }, (_, index) => lab.send(sender, 'tasks', lab.messages(500, {}, `${index}.`))),
      );
      const [results] = await Promise.all([sending, share(lab, consumers, 'tasks', 2_000)]);
      onceEach(lab, idsOf(results.flat()));
      await holds(lab, sender, 'tasks', { ready: 0, leased: 0, dead: 0 });
      lab.check.equal((await queueInfo(sender, 'tasks')).totals.done, 2_000, 'counted as done');
    },
  },
  {
    id: 'K3',
    group,
    title: 'when many consumers claim one task at once exactly one gets it, 200 times in a row',
    level: 'MUST',
    rules: ['RQ2', 'RQ8'],
    timeoutMs: 40_000,
    async run(lab) {
      const sender = await lab.transport();
      const clients = [sender, await lab.open(), await lab.open()];
      const claimants = [...clients, ...clients];
      for (let round = 0; round < 200; round += 1) {
        const [sent] = await lab.send(sender, 'tasks', lab.messages(1));
        const claims = claimants.map(async (client) => {
          const got = await client.queues.receive('tasks', { max: 2 });
          await lab.ack(client, got);
          return got;
        });
        const got = (await Promise.all(claims)).flat();
        lab.check.equal(
          got.map(({ id, attempt }) => [id, attempt]),
          [[sent?.id, 1]],
          `claims of round ${round}`,
        );
      }
    },
  },
  {
    id: 'K4',
    group,
    title: 'clients that close at once during work affect neither each other nor the clients that stay',
    level: 'MUST',
    rules: ['RA3', 'RD2'],
    async run(lab) {
      const stays = await lab.transport();
      const clients = await Promise.all(Array.from({ length: 5 }, () => lab.open()));
      await lab.send(stays, 'inbox', lab.messages(100));
      const busy = clients.map((client) => workUntilClosed(lab, client));
      const staying = follow(lab, stays, 'news', { from: 'start' });
      const done = async (): Promise<number> => (await stays.admin.queues({ names: ['out'] }))[0]?.ready ?? 0;
      await lab.until('some work', async () => (await done()) >= 20);
      const began = performance.now();
      await Promise.all(clients.flatMap((client) => [client.close(), client.close({ drainMs: 10 })]));
      lab.check.between(performance.now() - began, 0, 6_000, 'closing five clients took');
      const stored = (await Promise.all(busy)).flat();
      const left = await consume(lab, stays, 'out', await done());
      lab.check.equal(left.map(({ id }) => id).toSorted(), stored.toSorted(), 'stored before the close');
      await holds(lab, stays, 'inbox', { leased: 0 });
      const rest = await consume(lab, stays, 'inbox', (await queueInfo(stays, 'inbox')).ready);
      lab.check.ok(
        rest.every(({ attempt }) => attempt === 1),
        'a release counts no attempt',
      );
      await publish(lab, stays, 'news', lab.messages(1));
      await (await staying).has(['m0'], 'events of the remaining client');
    },
  },
  {
    id: 'K5',
    group,
    title: 'a thousand subscriptions, watches and receives can open and close, and none of them leaves anything behind',
    level: 'MUST',
    rules: ['RT1', 'RE2', 'RQ8', 'RA3'],
    timeoutMs: 40_000,
    async run(lab) {
      const [transport, publisher] = [await lab.transport(), await lab.open()];
      const handlers: WeakRef<object>[] = [];
      for (let round = 0; round < 25; round += 1) handlers.push(...(await churn(transport)));
      lab.check.between(await stillHeld(handlers), 0, handlers.length / 10, `handlers held of ${handlers.length}`);
      const log = await follow(lab, transport, 'churned.*');
      await publish(lab, publisher, 'churned.on', lab.messages(1));
      await log.has(['m0'], 'the event after the churn');
      await lab.send(publisher, 'churned', lab.messages(1));
      lab.check.equal((await consume(lab, transport, 'churned', 1)).at(0)?.attempt, 1, 'attempt after the churn');
      lab.check.equal(await transport.admin.bindings(), [], 'bindings left');
    },
  },
  {
    id: 'K6',
    group,
    title: 'of many concurrent creations of the same thing exactly one succeeds',
    level: 'MUST',
    rules: ['RE1', 'RQ9', 'RQ7', 'RT5'],
    smoke: true,
    async run(lab) {
      const clients = await Promise.all([lab.transport(), lab.open(), lab.open(), lab.open()]);
      const [first = await lab.open()] = clients;
      for (let round = 0; round < 25; round += 1) {
        const name = `created.${round}`;
        const puts = [...clients, ...clients].map((client, index) =>
          client.kv.put(name, Uint8Array.of(index), { ifRevision: 0 }),
        );
        const sends = clients.map((client) => client.queues.send(name, [{ id: 'same', body }]));
        const settings = clients.map((client) => client.queues.configure(name, { maxAttempts: 9 }));
        const bindings = clients.map((client) => client.topics.bind(name, 'news'));
        const results = await Promise.all(puts);
        const winners = results.flatMap((result, index) => (result.status === 'stored' ? [index] : []));
        lab.check.equal(winners.length, 1, 'puts that created the entry');
        lab.check.equal((await first.kv.get(name))?.value[0], winners[0], 'the value is that of the winner');
        const stored = (await Promise.all(sends)).flat().filter(({ status }) => status === 'stored');
        lab.check.equal(stored.length, 1, 'sends of one id that were stored');
        await Promise.all([...settings, ...bindings]);
      }
      const queues = await first.admin.queues();
      lab.check.equal([queues.length, (await first.admin.bindings()).length], [25, 25], 'queues and bindings');
      for (const { settings, ready } of queues) lab.check.equal([settings.maxAttempts, ready], [9, 1], 'a queue');
    },
  },
  {
    id: 'K7',
    group,
    title: 'calls that are not awaited all settle when the transport closes, and those that succeed have taken effect',
    level: 'MUST',
    rules: ['RA3', 'RD2'],
    smoke: true,
    async run(lab) {
      const [stays, client] = [await lab.transport(), await lab.open()];
      const sends = Array.from({ length: 50 }, () => client.queues.send('inbox', [{ body }]));
      const wait = client.queues.receive('never', { waitMs: Number.POSITIVE_INFINITY });
      const calls = operationsOf(client)
        .filter(({ name }) => name !== 'admin.clear')
        .map(({ call }) => call(client));
      const closed = client.close();
      const settled = await Promise.allSettled([...sends, wait, ...calls, closed]);
      for (const { status, reason } of settled as PromiseRejectedResult[])
        if (String(status) === 'rejected') lab.check.ok(isBusbarError(reason), `a call ended with ${reason}`);
      const stored = (await Promise.allSettled(sends)).flatMap((send) =>
        send.status === 'fulfilled' ? send.value : [],
      );
      lab.check.equal(stored.length, 50, 'sends that had begun before the end');
      await lab.check.rejects(wait, 'CLOSED', 'the wait');
      await consume(lab, stays, 'inbox', 50);
      onceEach(lab, idsOf(stored));
    },
  },
];

const TURNS = Array.from({ length: 20 }, (_, turn) => turn);

/** The sequence numbers of one publisher in order of arrival. */
function turnsOf(texts: readonly string[], publisher: number): number[] {
  return texts.filter((text) => text.startsWith(`${publisher}:`)).map((text) => Number(text.split(':')[1]));
}

/** Sends, receives and acks until the client is closed. Returns the ids of acknowledged sends. */
async function workUntilClosed(lab: Lab, client: Transport): Promise<string[]> {
  const stored: SendResult[] = [];
  try {
    await client.topics.subscribe('>', {}, () => undefined);
    for (;;) {
      stored.push(...(await client.queues.send('out', lab.messages(1))));
      const [got] = await client.queues.receive('inbox', { max: 2, waitMs: 1_000 });
      if (got) await client.queues.settle([{ receipt: got.receipt, action: 'ack' }]);
    }
  } catch (error) {
    lab.check.ok(isBusbarError(error) && error.code === 'CLOSED', `working clients end with CLOSED, not ${error}`);
  }
  return stored.map(({ id }) => id);
}

/** Opens and closes ten subscriptions, ten watches, a binding and twenty receives. Returns their handlers. */
async function churn(transport: Transport): Promise<WeakRef<object>[]> {
  const { topics, kv, queues } = transport;
  const handlers = Array.from({ length: 20 }, () => () => undefined);
  const live = await Promise.all(
    handlers.map(
      (handler, index): Promise<Pick<Subscription, 'close'>> =>
        index < 10 ? topics.subscribe('churned.*', {}, handler) : kv.watch('churned/', handler),
    ),
  );
  const enough = new AbortController();
  const waits = handlers.map(() => queues.receive('churned', { waitMs: 60_000, signal: enough.signal }));
  await topics.bind('bound', 'churned.*');
  await topics.unbind('bound', 'churned.*');
  enough.abort();
  await Promise.allSettled([...waits, ...live.map((one) => one.close())]);
  return handlers.map((handler) => new WeakRef(handler));
}
