/** Concurrency: many clients in one process on one store. */

import { isBusbarError } from '@busbar/api';
import type { SendResult, TopicSubscription, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { countRetained } from '../context/leak-check.ts';
import type { TestContext } from '../context/test-context.ts';
import { operationsOf } from '../inputs/operations.ts';
import { assertDeliveredOnce, consume, idsOf, shareWork, texts } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';
import { assertCounts, queueInfo } from '../steps/queue-view.ts';

const body = Uint8Array.of(1);

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Concurrency' }, [
  {
    id: 'K1',
    title: '50 concurrent publishers lose and repeat no event, and each keeps its order',
    rules: ['RT1', 'RT5', 'RQ1'],
    async run(test) {
      const clients = await Promise.all([test.transport(), test.open(), test.open(), test.open()]);
      const [reader = await test.open()] = clients;
      await reader.topics.bind('bound', 'news.*');
      const log = await follow(test, reader, 'news.>');
      const publisher = async (index: number): Promise<void> => {
        const client = clients[index % clients.length] ?? reader;
        for (let turn = 0; turn < 20; turn += 1)
          await publish(test, client, `news.p${index % 7}`, test.messages(1, {}, `${index}:${turn}:`));
      };
      await Promise.all(Array.from({ length: 50 }, (_, index) => publisher(index)));
      await test.until('all events', () => log.events.length >= 1_000, 10_000);
      const bound = await consume(test, reader, 'bound', 1_000);
      for (const [what, came] of [
        ['the subscription', log.texts],
        ['the bound queue', texts(test, bound)],
      ] as const) {
        test.check.equal(new Set(came).size, 1_000, `different events of ${what}`);
        test.check.equal(came.length, 1_000, `events of ${what}`);
        for (let index = 0; index < 50; index += 1) test.check.equal(turnsOf(came, index), TURNS, `order in ${what}`);
      }
      await assertCounts(test, reader, 'bound', { ready: 0, leased: 0 });
    },
  },
  {
    id: 'K2',
    title: 'four consumers share 2,000 tasks, and each task is handled exactly once',
    rules: ['RQ1', 'RQ2'],
    smoke: true,
    async run(test) {
      const consumers = await Promise.all([test.transport(), test.open(), test.open(), test.open()]);
      const sender = await test.open();
      const sending = Promise.all(
        Array.from({ length: 4 }, (_, index) => test.send(sender, 'tasks', test.messages(500, {}, `${index}.`))),
      );
      const [results] = await Promise.all([sending, shareWork(test, consumers, 'tasks', 2_000, 20)]);
      assertDeliveredOnce(test, idsOf(results.flat()));
      await assertCounts(test, sender, 'tasks', { ready: 0, leased: 0, dead: 0 });
      test.check.equal((await queueInfo(sender, 'tasks')).totals.done, 2_000, 'counted as done');
    },
  },
  {
    id: 'K3',
    title: 'when many consumers claim one task at once exactly one gets it, 200 times in a row',
    rules: ['RQ2', 'RQ8'],
    timeoutMs: 40_000,
    async run(test, sender) {
      const clients = [sender, await test.open(), await test.open()];
      const claimants = [...clients, ...clients];
      for (let round = 0; round < 200; round += 1) {
        const [sent] = await test.send(sender, 'tasks', test.messages(1));
        const claims = claimants.map(async (client) => {
          const got = await client.queues.receive('tasks', { max: 2 });
          await test.ack(client, got);
          return got;
        });
        const got = (await Promise.all(claims)).flat();
        test.check.mapped(got, ({ id, attempt }) => [id, attempt], [[sent?.id, 1]], `claims of round ${round}`);
      }
    },
  },
  {
    id: 'K4',
    title: 'clients that close at once during work affect neither each other nor the clients that stay',
    rules: ['RA3', 'RD2'],
    async run(test, stays) {
      const clients = await Promise.all(Array.from({ length: 5 }, () => test.open()));
      await test.send(stays, 'inbox', test.messages(100));
      const busy = clients.map((client) => workUntilClosed(test, client));
      const staying = follow(test, stays, 'news', { from: 'start' });
      const done = async (): Promise<number> => (await stays.admin.queues({ names: ['out'] }))[0]?.ready ?? 0;
      await test.until('some work', async () => (await done()) >= 20);
      const began = performance.now();
      await Promise.all(clients.flatMap((client) => [client.close(), client.close({ drainMs: 10 })]));
      test.check.between(performance.now() - began, 0, 6_000, 'closing five clients took');
      const stored = (await Promise.all(busy)).flat();
      const left = await consume(test, stays, 'out', await done());
      test.check.equal(left.map(({ id }) => id).toSorted(), stored.toSorted(), 'stored before the close');
      await assertCounts(test, stays, 'inbox', { leased: 0 });
      const rest = await consume(test, stays, 'inbox', (await queueInfo(stays, 'inbox')).ready);
      test.check.every(rest, ({ attempt }) => attempt === 1, 'a release counts no attempt');
      await publish(test, stays, 'news', test.messages(1));
      await (await staying).has(['m0'], 'events of the remaining client');
    },
  },
  {
    id: 'K5',
    title: 'a thousand subscriptions, watches and receives can open and close, and none of them leaves anything behind',
    rules: ['RT1', 'RE2', 'RQ8', 'RA3'],
    timeoutMs: 40_000,
    async run(test) {
      const [transport, publisher] = [await test.transport(), await test.open()];
      const handlers: WeakRef<object>[] = [];
      for (let round = 0; round < 25; round += 1) handlers.push(...(await churn(transport)));
      test.check.between(
        await countRetained(handlers),
        0,
        handlers.length / 10,
        `retained handlers of ${handlers.length}`,
      );
      const log = await follow(test, transport, 'churned.*');
      await publish(test, publisher, 'churned.on', test.messages(1));
      await log.has(['m0'], 'the event after the churn');
      await test.send(publisher, 'churned', test.messages(1));
      test.check.equal((await consume(test, transport, 'churned', 1)).at(0)?.attempt, 1, 'attempt after the churn');
      test.check.equal(await transport.admin.bindings(), [], 'bindings left');
    },
  },
  {
    id: 'K6',
    title: 'of many concurrent creations of the same thing exactly one succeeds',
    rules: ['RE1', 'RQ9', 'RQ7', 'RT5'],
    smoke: true,
    async run(test) {
      const clients = await Promise.all([test.transport(), test.open(), test.open(), test.open()]);
      const [first = await test.open()] = clients;
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
        test.check.equal(winners.length, 1, 'puts that created the key');
        test.check.equal((await first.kv.get(name))?.value[0], winners[0], "the value is the winner's");
        const stored = (await Promise.all(sends)).flat().filter(({ status }) => status === 'stored');
        test.check.equal(stored.length, 1, 'stored sends of one id');
        await Promise.all([...settings, ...bindings]);
      }
      const queues = await first.admin.queues();
      test.check.equal([queues.length, (await first.admin.bindings()).length], [25, 25], 'queues and bindings');
      for (const { settings, ready } of queues) test.check.equal([settings.maxAttempts, ready], [9, 1], 'a queue');
    },
  },
  {
    id: 'K7',
    title: 'calls that are not awaited all settle when the transport closes, and those that succeed have taken effect',
    rules: ['RA3', 'RD2'],
    smoke: true,
    async run(test) {
      const [stays, client] = [await test.transport(), await test.open()];
      const sends = Array.from({ length: 50 }, () => client.queues.send('inbox', [{ body }]));
      const wait = client.queues.receive('never', { waitMs: Number.POSITIVE_INFINITY });
      const calls = operationsOf(client)
        .filter(({ name }) => name !== 'admin.clear')
        .map(({ call }) => call(client));
      const closed = client.close();
      const settled = await Promise.allSettled([...sends, wait, ...calls, closed]);
      for (const { status, reason } of settled as PromiseRejectedResult[])
        if (String(status) === 'rejected') test.check.ok(isBusbarError(reason), `a call ended with ${reason}`);
      const stored = (await Promise.allSettled(sends)).flatMap((send) =>
        send.status === 'fulfilled' ? send.value : [],
      );
      test.check.equal(stored.length, 50, 'sends that began before the end');
      await test.check.rejects(wait, 'CLOSED', 'the wait');
      await consume(test, stays, 'inbox', 50);
      assertDeliveredOnce(test, idsOf(stored));
    },
  },
]);

const TURNS = Array.from({ length: 20 }, (_, turn) => turn);

/** The sequence numbers of one publisher in order of arrival. */
function turnsOf(texts: readonly string[], publisher: number): number[] {
  return texts.filter((text) => text.startsWith(`${publisher}:`)).map((text) => Number(text.split(':')[1]));
}

/** Sends, receives and acks until the client is closed. Returns the ids of acknowledged sends. */
async function workUntilClosed(test: TestContext, client: Transport): Promise<string[]> {
  const stored: SendResult[] = [];
  try {
    await client.topics.subscribe('>', {}, () => undefined);
    for (;;) {
      stored.push(...(await client.queues.send('out', test.messages(1))));
      const [got] = await client.queues.receive('inbox', { max: 2, waitMs: 1_000 });
      if (got) await client.queues.settle([{ receipt: got.receipt, action: 'ack' }]);
    }
  } catch (error) {
    const isClosed = isBusbarError(error) && error.code === 'CLOSED';
    test.check.ok(isClosed, `calls of working clients end with CLOSED, not ${error}`);
  }
  return stored.map(({ id }) => id);
}

/** Opens and closes ten subscriptions, ten watches, a binding and twenty receives. Returns their handlers. */
async function churn(transport: Transport): Promise<WeakRef<object>[]> {
  const { topics, kv, queues } = transport;
  const handlers = Array.from({ length: 20 }, () => () => undefined);
  const live = await Promise.all(
    handlers.map(
      (handler, index): Promise<Pick<TopicSubscription, 'close'>> =>
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
