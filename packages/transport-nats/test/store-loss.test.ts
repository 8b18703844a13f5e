/** A store that loses its past beside the loss of all: streams that an operator deletes or purges, restored folders. */

import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { StoreReset, Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats } from '@busbar/testbed';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test, vi } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

const SOON = { timeout: 20_000 };

beforeEach(({ skip }) => needServer('nats-server', skip));

test.concurrent.each(['QUEUES', 'LEDGER', 'TOPICS', 'KV'] as const)(
  'the stream %s is deleted while clients wait: it is made again, and each client goes on',
  async (name) => {
    await using server = await startNats();
    await using waiter = await openNats(parseNatsUrl(server.url));
    await using sender = await openNats(parseNatsUrl(server.url));
    const waits = await waitOn(waiter);
    // Settled messages below the floor of the ledger, and events before the binding.
    for (let n = 0; n < 20; n += 1) await assertAllArrive(waits, sender, `before ${n}`);
    const revision = revisionOf(await sender.kv.put('some/key', Buffer.from('x')));
    await ask(server, `STREAM.DELETE.${name === 'KV' ? 'KV_BUSBAR' : `BUSBAR_${name}`}`);
    await vi.waitFor(() => expect(waits.resets).toEqual([name === 'LEDGER' ? 'replaced' : 'rolled-back']), SOON);
    await waiter.topics.bind('bound', 'news.*');
    await assertAllArrive(waits, sender, 'after');
    expect(revisionOf(await sender.kv.put('some/key', Buffer.from('y')))).toBeGreaterThan(revision);
    expect(await sender.queues.send('work', [{ id: 'later', body: Buffer.from('x') }])).toMatchObject([
      { status: 'stored' },
    ]);
  },
  60_000,
);

test.concurrent('purged keys are noticed: watches show that they are gone, and revisions rise', async () => {
  await using server = await startNats();
  await using watcher = await openNats(parseNatsUrl(server.url));
  await using other = await openNats(parseNatsUrl(server.url));
  const before = revisionOf(await other.kv.put('some/key', Buffer.from('x')));
  const waits = await waitOn(watcher);
  await ask(server, 'STREAM.PURGE.KV_BUSBAR');
  await vi.waitFor(() => expect(waits.keys.get('some/key')).toBe('deleted'), SOON);
  await vi.waitFor(() => expect(waits.resets).toEqual(['rolled-back']), SOON);
  expect(revisionOf(await other.kv.put('some/key', Buffer.from('y'), { ifRevision: 0 }))).toBeGreaterThan(before);
}, 60_000);

test.concurrent('a subscription goes on behind the clear of another client', async () => {
  await using server = await startNats();
  await using waiter = await openNats(parseNatsUrl(server.url));
  await using operator = await openNats(parseNatsUrl(server.url));
  const waits = await waitOn(waiter);
  await assertAllArrive(waits, operator, 'before');
  await operator.admin.clear();
  await vi.waitFor(() => expect(waits.resets).toEqual(['replaced']), SOON);
  await waiter.topics.bind('bound', 'news.*');
  await assertAllArrive(waits, operator, 'after');
}, 60_000);

test.concurrent('a purged ledger is a replaced store, and queues are made again', async () => {
  await using server = await startNats();
  await using waiter = await openNats(parseNatsUrl(server.url));
  await using sender = await openNats(parseNatsUrl(server.url));
  const waits = await waitOn(waiter);
  await assertAllArrive(waits, sender, 'before');
  await ask(server, 'STREAM.PURGE.BUSBAR_LEDGER');
  await vi.waitFor(() => expect(waits.resets).toEqual(['replaced']), SOON);
  await waiter.topics.bind('bound', 'news.*');
  await assertAllArrive(waits, sender, 'after');
}, 60_000);

test.concurrent('an event between the purge of all streams and the notice of it comes once', async () => {
  await using server = await startNats();
  await using waiter = await openNats(parseNatsUrl(server.url));
  const resets = resetsOf(waiter);
  const events: string[] = [];
  await waiter.topics.subscribe('news.*', {}, (all) => void events.push(...all.map(({ body }) => textOf(body))));
  await waiter.topics.publish('news.a', [{ body: Buffer.from('before') }]);
  await vi.waitFor(() => expect(events).toEqual(['before']), SOON);
  for (const stream of ['BUSBAR_QUEUES', 'BUSBAR_LEDGER', 'BUSBAR_TOPICS', 'KV_BUSBAR']) {
    await ask(server, `STREAM.PURGE.${stream}`);
  }
  // It is the first to notice, so that the event is behind what the header says.
  await using publisher = await openNats(parseNatsUrl(server.url));
  await publisher.topics.publish('news.a', [{ body: Buffer.from('between') }]);
  await vi.waitFor(() => expect(events).toEqual(['before', 'between']), SOON);
  await vi.waitFor(() => expect(resets).toEqual(['replaced']), SOON);
  await publisher.topics.publish('news.a', [{ body: Buffer.from('after') }]);
  await vi.waitFor(() => expect(events.at(-1)).toBe('after'), SOON);
  expect(events).toEqual(['before', 'between', 'after']);
}, 60_000);

test.concurrent('a settlement in flight concerns no message of the restored store that has its sequence', async () => {
  await using server = await startNats({ proxy: true });
  await using direct = await openNats(parseNatsUrl(`nats://127.0.0.1:${server.port}`));
  await using client = await openNats(parseNatsUrl(server.url));
  const [folder, saved] = [join(server.folder, 'data'), join(server.folder, 'saved')];
  await direct.queues.configure('work');
  server.pause();
  cpSync(folder, saved, { recursive: true });
  server.resume();
  await direct.queues.send('work', [{ id: 'lost', body: Buffer.from('x') }]);
  const [delivery] = await client.queues.receive('work', { waitMs: 5_000 });
  const resets = resetsOf(client);
  server.network.halfOpen();
  const settled = client.queues.settle([{ receipt: delivery!.receipt, action: 'ack' }]);
  await client.kv.get('none', { timeoutMs: 200 }).catch(() => undefined);
  await server.kill();
  rmSync(folder, { recursive: true });
  cpSync(saved, folder, { recursive: true });
  await server.start();
  await direct.queues.send('work', [{ id: 'new', body: Buffer.from('x') }]);
  server.network.heal();
  await vi.waitFor(() => expect(resets).toEqual(['rolled-back']), SOON);
  expect(await settled).toMatchObject([{ status: 'unknown' }]);
  expect(await direct.queues.receive('work', { waitMs: 5_000 })).toMatchObject([{ id: 'new' }]);
}, 60_000);

test.concurrent('a client that only waited notices an older folder, though others have written as much since', async () => {
  await using server = await startNats();
  await using waiter = await openNats(parseNatsUrl(server.url));
  await using writer = await openNats(parseNatsUrl(server.url));
  const [folder, saved] = [join(server.folder, 'data'), join(server.folder, 'saved')];
  const write = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) await writer.kv.put(`key/${n}`, Buffer.from('x'));
  };
  await write(10);
  server.pause();
  cpSync(folder, saved, { recursive: true });
  server.resume();
  await write(20);
  await waiter.kv.put('own', Buffer.from('x'));
  const resets = resetsOf(waiter);
  const held = await waiter.topics.publish('news.a', [{ body: Buffer.from('lost') }]);
  await server.kill();
  rmSync(folder, { recursive: true });
  cpSync(saved, folder, { recursive: true });
  await server.start();
  await write(50);
  await vi.waitFor(() => expect(resets).toEqual(['rolled-back']), SOON);
  expect(held).toMatchObject([{ status: 'stored' }]);
  expect(await waiter.kv.get('own')).toBeUndefined();
}, 60_000);

test.concurrent('a restart without a loss is no reset, and writes under way keep their meaning', async () => {
  await using server = await startNats();
  await using waiter = await openNats(parseNatsUrl(server.url));
  await using writer = await openNats(parseNatsUrl(server.url));
  const waits = await waitOn(waiter);
  const resets = resetsOf(writer);
  const revisions = [0];
  for (let round = 0; round < 5; round += 1) {
    const killed = server.kill().then(() => server.start());
    for (let n = 0; n < 20; n += 1) revisions.push(revisionOf(await writer.kv.put('some/key', Buffer.from('x'))));
    await killed;
    await vi.waitFor(() => expect([waiter.state, writer.state]).toEqual(['open', 'open']), SOON);
    await assertAllArrive(waits, writer, `round ${round}`);
  }
  expect(revisions).toEqual(revisions.toSorted((one, other) => one - other));
  expect(new Set(revisions).size).toBe(revisions.length);
  expect([...waits.resets, ...resets]).toEqual([]);
}, 60_000);

interface Waits {
  readonly resets: StoreReset['cause'][];
  readonly tasks: string[];
  readonly bound: string[];
  readonly events: string[];
  readonly passing: string[];
  readonly keys: Map<string, string>;
}

/** Everything that a client can wait for. */
async function waitOn(transport: Transport): Promise<Waits> {
  const waits: Waits = {
    resets: resetsOf(transport),
    tasks: [],
    bound: [],
    events: [],
    passing: [],
    keys: new Map(),
  };
  await transport.topics.bind('bound', 'news.*');
  await transport.topics.subscribe('news.*', {}, (events) => {
    for (const { body, position } of events) (position === undefined ? waits.passing : waits.events).push(textOf(body));
  });
  await transport.kv.watch('', (changes) => {
    for (const change of changes) {
      if (change.kind === 'put') waits.keys.set(change.entry.key, textOf(change.entry.value));
      else if (change.kind !== 'synced') waits.keys.set(change.key, change.kind);
    }
  });
  void work(transport, 'work', waits.tasks);
  void work(transport, 'bound', waits.bound);
  return waits;
}

async function work(transport: Transport, queue: string, seen: string[]): Promise<void> {
  try {
    for (;;) {
      const deliveries = await transport.queues.receive(queue, { waitMs: 60_000 });
      for (const { body } of deliveries) seen.push(textOf(body));
      await transport.queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
    }
  } catch (error) {
    if (transport.state === 'open') seen.push(String(error));
  }
}

async function assertAllArrive(waits: Waits, { queues, topics, kv }: Transport, text: string): Promise<void> {
  const body = Buffer.from(text);
  await queues.send('work', [{ id: text, body }]);
  await topics.publish('news.a', [{ id: text, body }]);
  await topics.publish('news.a', [{ body }], { ephemeral: true });
  await kv.put('watched', body);
  const seen = () => [waits.tasks, waits.bound, waits.events, waits.passing].map((texts) => texts.at(-1));
  await vi.waitFor(async () => expect(seen()).toEqual([text, text, text, text]), SOON);
  await vi.waitFor(() => expect(waits.keys.get('watched')).toBe(text), SOON);
}

function resetsOf(transport: Transport): StoreReset['cause'][] {
  const resets: StoreReset['cause'][] = [];
  transport.onReset(({ cause }) => void resets.push(cause));
  return resets;
}

function revisionOf(result: Awaited<ReturnType<Transport['kv']['put']>>): number {
  if (result.status !== 'stored') throw new Error(result.status);
  return result.revision;
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body).toString();
}

async function ask(server: NatsServer, path: string): Promise<void> {
  await using connection = await connect({ servers: `127.0.0.1:${server.port}` });
  const reply = (await connection.request(`$JS.API.${path}`)).json<{ success?: boolean }>();
  expect(reply.success).toBe(true);
}
