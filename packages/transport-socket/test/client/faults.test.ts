// Clients while the hub or the connection fails. The hub is a process of its own with a SQLite file.

import type { SendResult, Transport } from '@busbar/api/transport';
import type { Harness, HarnessServer } from '@busbar/conformance';
import { type FaultProxy, waitFor } from '@busbar/testbed';
import { afterAll, describe, expect, test } from 'vitest';
import { openSocket, openUnix } from '../../src/index.ts';
import { harness as unix } from '../harness.ts';
import { linkHarness } from '../support/link-harness.ts';
import { ws, zmq } from '../support/link-kinds.ts';

const LINKS: readonly Harness[] = [unix, linkHarness(ws, 'sqlite:$', afterAll), linkHarness(zmq, 'sqlite:$', afterAll)];

interface Setting extends AsyncDisposable {
  readonly server: HarnessServer;
  open(): Promise<Transport>;
  /** A client whose connection passes the faulty network by. */
  openDirect(): Promise<Transport>;
  /** A client that keeps its connection for 20 s without a sign of life. */
  openPatient(): Promise<Transport>;
  /** A client whose calls pass through the hub on every link. */
  openBoundToAgent(): Promise<Transport>;
}

/** A hub behind a proxy. Clients are closed at the end. */
async function setting(harness: Harness): Promise<Setting> {
  const store = await harness.store({ server: true });
  const clients: Transport[] = [];
  const keep = async (opening: Promise<Transport>): Promise<Transport> => {
    const client = await opening;
    clients.push(client);
    return client;
  };
  return {
    server: store.server!,
    open: () => keep(store.open()),
    openDirect: () => keep(openAt(harness, (store.server!.network as FaultProxy).target)),
    openPatient: () => keep(openAt(harness, (store.server!.network as FaultProxy).endpoint, 20_000)),
    openBoundToAgent: () => keep(store.openWith?.({ agent: '@bound' }) ?? store.open()),
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.close()));
      await store.remove();
    },
  };
}

function openAt({ name }: Harness, at: FaultProxy['target'], heartbeatMs = 3_000): Promise<Transport> {
  if ('path' in at) return openUnix({ path: at.path, heartbeatMs });
  return openSocket(`${(name.startsWith('ws') ? ws : zmq).at(at.port)}?heartbeatMs=${heartbeatMs}`);
}

const body = (text: string): Uint8Array => Buffer.from(text);
const textOf = (message: { readonly body: Uint8Array }): string => Buffer.from(message.body).toString();

/** Sends `count` messages, many at a time, and resolves with those that were acknowledged. */
async function flood(client: Transport, count: number, onSent: (done: number) => void): Promise<string[]> {
  const stored: string[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const name = `m${next++}`;
      const [result] = await client.queues
        .send('jobs', [{ id: name, body: body(name) }], { timeoutMs: 15_000 })
        .catch((): SendResult[] => []);
      if (result?.status === 'stored') stored.push(name);
      onSent(stored.length);
    }
  };
  await Promise.all(Array.from({ length: 32 }, lane));
  return stored;
}

/** Receives and acks messages until the queue stays empty. */
async function drain(client: Transport, queue: string): Promise<string[]> {
  const names: string[] = [];
  for (;;) {
    const deliveries = await client.queues.receive(queue, { max: 100, waitMs: 200 });
    if (deliveries.length === 0) return names;
    names.push(...deliveries.map(textOf));
    await client.queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
  }
}

describe.concurrent.each(LINKS)('a hub over $name', (harness) => {
  test('that is killed during many sends loses no acknowledged message and stores none twice', async () => {
    await using all = await setting(harness);
    const client = await all.open();
    let killed: Promise<void> | undefined;
    const restart = async (): Promise<void> => {
      await all.server.kill();
      await all.server.start();
    };
    const stored = await flood(client, 3_000, (done) => {
      if (done > 500) killed ??= restart();
    });
    await killed;
    expect(killed).toBeDefined();
    const found = await drain(client, 'jobs');
    expect(new Set(found).size).toBe(found.length);
    expect(stored.filter((name) => !found.includes(name))).toEqual([]);
    expect(stored.length).toBe(3_000);
  });

  test('leases a message from its claim on, however late the delivery arrives', async () => {
    await using all = await setting(harness);
    const [client, other, watcher] = [await all.openPatient(), await all.openPatient(), await all.openDirect()];
    await client.queues.configure('jobs', { leaseMs: 200 });
    const receiving = client.queues.receive('jobs', { waitMs: 20_000 });
    const network = all.server.network as FaultProxy;
    network.halfOpen('toClient');
    const sending = other.queues.send('jobs', [{ body: body('late') }]);
    const isOver = async (): Promise<boolean> => {
      const [message] = (await watcher.admin.browse('jobs')).messages;
      return message?.attempts === 1 && message.state === 'ready';
    };
    await waitFor(isOver, { what: 'the lease to end' });
    network.heal();
    const [late] = await receiving;
    expect(late?.leaseLeftMs).toBe(0);
    await sending;
    const leaseMs = 5_000;
    await client.queues.configure('jobs', { leaseMs });
    const [again] = await client.queues.receive('jobs', { waitMs: 20_000 });
    expect(again?.attempt).toBe(2);
    expect(again?.leaseLeftMs).toBeGreaterThan(0);
    const [extended] = await client.queues.settle([{ receipt: again!.receipt, action: 'extend' }]);
    expect(extended?.leaseLeftMs).toBeGreaterThan(0);
    expect(extended?.leaseLeftMs).toBeLessThanOrEqual(leaseMs);
  });

  test('that comes back changes the state, and waits, subscriptions, watches and services continue', async () => {
    await using all = await setting(harness);
    const [client, other] = [await all.open(), await all.open()];
    const states: string[] = [];
    client.onState(({ state }) => states.push(state));
    const waiting = client.queues.receive('inbox', { waitMs: 20_000 });
    const events: string[] = [];
    await client.topics.subscribe('news', {}, (batch) => void events.push(...batch.map(textOf)));
    const changes: unknown[] = [];
    await client.kv.put('k/gone', body('1'));
    await client.kv.put('k/stays', body('1'));
    await client.kv.watch('k/', (batch) => {
      changes.push(...batch.map((change) => (change.kind === 'put' ? change.entry.key : change.kind)));
    });
    await client.calls!.serve('echo', {}, async function* (message) {
      yield { body: message.body };
    });
    await client.topics.publish('news', [{ body: body('before') }]);
    await waitFor(() => changes.includes('synced') && events.length === 1, { what: 'the first event' });
    await all.server.kill();
    await waitFor(() => client.state === 'reconnecting', { what: 'the loss' });
    await all.server.start();
    await other.kv.delete('k/gone');
    await other.kv.put('k/new', body('1'));
    await other.topics.publish('news', [{ body: body('after') }]);
    await other.queues.send('inbox', [{ body: body('mail') }]);
    expect((await waiting).map(textOf)).toEqual(['mail']);
    await waitFor(() => events.length >= 2 && changes.length >= 5, { what: 'the changes after the loss' });
    expect(events).toEqual(['before', 'after']);
    expect(changes.slice(0, 3)).toEqual(['k/gone', 'k/stays', 'synced']);
    expect(changes.slice(3).toSorted()).toEqual(['deleted', 'k/new']);
    const replies: string[] = [];
    for await (const reply of other.calls!.call('echo', { body: body('hello') })) replies.push(textOf(reply));
    expect(replies).toEqual(['hello']);
    expect(states).toEqual(['reconnecting', 'open']);
  });

  test('that ends in order says goodbye, and its leases continue', async () => {
    await using all = await setting(harness);
    const client = await all.open();
    await client.queues.send('jobs', [{ body: body('a') }]);
    const [held] = await client.queues.receive('jobs');
    await all.server.stop();
    await all.server.start();
    expect(await client.queues.receive('jobs', { waitMs: 300 })).toEqual([]);
    const [settled] = await client.queues.settle([{ receipt: held!.receipt, action: 'ack' }]);
    expect(settled!.status).toBe('done');
  });

  test('that stays away makes calls fail with UNAVAILABLE at their timeout, and closing is quick', async () => {
    await using all = await setting(harness);
    const client = await all.open();
    await client.topics.subscribe('news', {}, () => undefined);
    await client.kv.watch('k', () => undefined);
    await client.calls!.serve('echo', {}, async function* () {});
    const waiting = expect(client.queues.receive('inbox', { waitMs: Number.POSITIVE_INFINITY })).rejects.toMatchObject({
      code: 'CLOSED',
    });
    await all.server.kill();
    const failing = client.kv.get('k', { timeoutMs: 300 });
    await expect(failing).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    const since = performance.now();
    await client.close();
    await waiting;
    expect(performance.now() - since).toBeLessThan(2_000);
  });

  test('that is frozen for a while is waited for', async () => {
    await using all = await setting(harness);
    const client = await all.open();
    all.server.pause();
    const sending = client.queues.send('jobs', [{ body: body('a') }]);
    await waitFor(() => client.state === 'reconnecting', {
      what: 'the client to detect the silence',
      timeoutMs: 10_000,
    });
    all.server.resume();
    expect((await sending)[0]!.status).toBe('stored');
    expect(await drain(client, 'jobs')).toEqual(['a']);
  });
});

describe.concurrent.each(LINKS)('a connection over $name', (harness) => {
  test('that is cut repeatedly, also within frames, loses and duplicates nothing', async () => {
    await using all = await setting(harness);
    const client = await all.open();
    const proxy = all.server.network as unknown as { cutAfter(bytes: number, direction: string): void };
    let cuts = 0;
    const stored = await flood(client, 2_000, (done) => {
      if (done < (cuts + 1) * 100 || cuts >= 12) return;
      cuts += 1;
      proxy.cutAfter(37 + cuts * 11, cuts % 2 === 0 ? 'toTarget' : 'toClient');
    });
    expect(cuts).toBe(12);
    const found = await drain(client, 'jobs');
    expect(new Set(found).size).toBe(found.length);
    expect(stored.length).toBe(2_000);
    expect(found.length).toBe(2_000);
  });

  test('that is half open is detected, and calls continue over the next one', async () => {
    await using all = await setting(harness);
    const client = await all.open();
    all.server.network.halfOpen();
    const sending = client.queues.send('jobs', [{ body: body('a') }]);
    await waitFor(() => client.state === 'reconnecting', {
      what: 'the client to detect the silence',
      timeoutMs: 10_000,
    });
    all.server.network.heal();
    expect((await sending)[0]!.status).toBe('stored');
    expect(await drain(client, 'jobs')).toEqual(['a']);
  });

  test('lost before the response to a settlement makes its outcome unknown, without a repetition', async () => {
    await using all = await setting(harness);
    const [client, other] = [await all.open(), await all.open()];
    await client.queues.send('jobs', [{ body: body('a') }, { body: body('b') }]);
    const held = await client.queues.receive('jobs', { max: 2 });
    all.server.network.halfOpen();
    const settling = client.queues.settle(held.map(({ receipt }) => ({ receipt, action: 'ack' })));
    await waitFor(() => client.state === 'reconnecting', { what: 'the loss', timeoutMs: 10_000 });
    all.server.network.heal();
    expect((await settling).map(({ status }) => status)).toEqual(['unknown', 'unknown']);
    expect(await other.queues.receive('jobs', { waitMs: 100 })).toEqual([]);
  });

  test('lost during a call that the hub passes on ends it with one error', async () => {
    await using all = await setting(harness);
    const [client, server] = [await all.open(), await all.openBoundToAgent()];
    let runs = 0;
    await server.calls!.serve('slow', {}, async function* (_, { signal }) {
      runs += 1;
      yield { body: body('one') };
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    });
    const replies: string[] = [];
    const calling = (async () => {
      for await (const reply of client.calls!.call('slow', { body: body('x') })) {
        replies.push(textOf(reply));
        all.server.network.cut();
      }
    })();
    await expect(calling).rejects.toMatchObject({ outcome: 'unknown' });
    expect([replies, runs]).toEqual([['one'], 1]);
  });
});
