/** The fence of a closed store: what the server refuses, whatever a late process does. */

import type { BusbarError, Gate, GateState, Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats } from '@busbar/testbed';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';
import { compactorOf } from './compactor.ts';

const body = Buffer.from('x');
const STREAMS = ['BUSBAR_QUEUES', 'BUSBAR_LEDGER', 'BUSBAR_TOPICS', 'KV_BUSBAR'];

beforeEach(({ skip }) => needServer('nats-server', skip));

interface Setting extends AsyncDisposable {
  readonly server: NatsServer;
  readonly bus: Transport;
  /** A plain client. */
  readonly plain: NatsConnection;
  open(): Promise<Transport>;
  set(state: GateState, options?: { readonly ttlMs?: number; readonly movedTo?: string }): Promise<Gate>;
}

async function setting(): Promise<Setting> {
  const server = await startNats();
  const plain = await connect({ servers: `127.0.0.1:${server.port}` });
  const bus = await openNats(parseNatsUrl(server.url));
  const opened = [bus];
  return {
    ...{ server, bus, plain },
    async open() {
      const another = await openNats(parseNatsUrl(server.url));
      opened.push(another);
      return another;
    },
    async set(state, options = {}) {
      const { revision } = await bus.admin.gate();
      return bus.admin.setGate(state, { ifRevision: revision, ...options });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((each) => each.close()));
      await plain.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

interface Reply {
  readonly stream?: string;
  readonly seq?: number;
  readonly error?: { readonly err_code: number };
  readonly config?: Readonly<Record<string, unknown>>;
  readonly state?: { readonly last_seq: number };
}

async function ask(plain: NatsConnection, path: string, request: unknown = undefined): Promise<Reply> {
  const text = request === undefined ? '' : JSON.stringify(request);
  return (await plain.request(`$JS.API.${path}`, text, { timeout: 10_000 })).json<Reply>();
}

async function publish(plain: NatsConnection, subject: string, fields: Record<string, string> = {}): Promise<Reply> {
  const list = headers();
  for (const [name, value] of Object.entries(fields)) list.set(name, value);
  return (await plain.request(subject, 'late', { headers: list, timeout: 10_000 })).json<Reply>();
}

test('a closed store refuses what any client publishes, and late changes of its streams', async () => {
  await using gated = await setting();
  const { bus, plain, set } = gated;
  await bus.queues.send('work', [{ body }]);
  const before = await Promise.all(STREAMS.map((stream) => ask(plain, `STREAM.INFO.${stream}`)));
  const { revision } = await set('closed', { ttlMs: 60_000 });
  const fence = `BUSBAR_GATE_${revision}`;
  const root = 'busbar.=';
  for (const subject of [
    `${root}.q.normal.work`,
    `${root}.i.x.work`,
    `${root}.l.work`,
    `${root}.s.work`,
    `${root}.t.a`,
  ])
    expect(await publish(plain, subject)).toMatchObject({ stream: fence, error: {} });
  for (const kind of ['v', 't'])
    expect(await publish(plain, `$KV.BUSBAR.${kind}.key`)).toMatchObject({ stream: fence });
  const batch = { 'Nats-Batch-Id': 'b', 'Nats-Batch-Sequence': '2', 'Nats-Batch-Commit': '1' };
  expect(await publish(plain, `${root}.q.normal.work`, batch)).toMatchObject({ stream: fence, error: {} });
  // A process that was stopped in the middle of an opening wakes.
  for (const [index, stream] of STREAMS.entries()) {
    const late = await ask(plain, `STREAM.UPDATE.${stream}`, before[index]?.config);
    expect(late.error?.err_code, stream).toBe(10_065);
  }
  // An import of another revision finds no stream.
  const late = publish(plain, `${root}.m.${revision + 1}.queues.q.normal.work`);
  await expect(late).rejects.toThrow('no responders');
  expect((await ask(plain, `STREAM.INFO.${fence}`)).state).toMatchObject({ messages: 0 });
  await set('open');
  expect(await publish(plain, `${root}.q.normal.work`)).toMatchObject({ stream: 'BUSBAR_QUEUES' });
  expect(await bus.queues.receive('work', { max: 5 })).toHaveLength(2);
});

test('what the server had taken before the store closed is in it when that resolves, and nothing comes later', async () => {
  await using gated = await setting();
  const { server, bus, plain, set } = gated;
  await using flooder = await connect({ servers: `127.0.0.1:${server.port}` });
  await bus.queues.send('work', [{ body }]);
  for (let round = 0; round < 3; round += 1) {
    const stored: number[] = [];
    let isOver = false;
    const inbox = `replies.${round}`;
    const replies = flooder.subscribe(inbox, {
      callback: (_, message) => {
        const { seq = 0, error } = message.headers?.code ? { error: {} } : message.json<Reply>();
        if (error === undefined) stored.push(seq);
      },
    });
    const flood = (async () => {
      while (!isOver) {
        for (let count = 0; count < 500; count += 1) flooder.publish('busbar.=.q.normal.work', body, { reply: inbox });
        await flooder.flush();
      }
    })();
    await expect.poll(() => stored.length).toBeGreaterThan(500);
    await set('closed', { ttlMs: 60_000 });
    const atClose = (await ask(plain, 'STREAM.INFO.BUSBAR_QUEUES')).state?.last_seq ?? 0;
    isOver = true;
    await flood;
    expect((await ask(plain, 'STREAM.INFO.BUSBAR_QUEUES')).state?.last_seq).toBe(atClose);
    expect(Math.max(...stored)).toBeLessThanOrEqual(atClose);
    replies.unsubscribe();
    await set('open');
  }
}, 30_000);

test('the ack of a lease that the closing ended takes no message, also where a late process sends it', async () => {
  await using gated = await setting();
  const { bus, plain, set } = gated;
  await bus.queues.send('work', [{ id: 'one', body }]);
  const [held] = await bus.queues.receive('work');
  const { consumers = [] } = (await ask(plain, 'CONSUMER.NAMES.BUSBAR_QUEUES')) as { consumers?: string[] };
  const [, , seq, cseq] = held?.receipt.split('.') ?? [];
  await set('closed', { ttlMs: 60_000 });
  for (const name of consumers) plain.publish(`$JS.ACK.BUSBAR_QUEUES.${name}.1.${seq}.${cseq}.0.0`, '+ACK');
  await plain.flush();
  await set('open');
  // The consumer has dropped the message. The ledger has not: maintenance sends it again.
  await using compactor = await compactorOf(gated.server.url);
  await compactor.compact('work');
  expect(await bus.queues.receive('work', { waitMs: 10_000 })).toMatchObject([{ id: 'one', attempt: 2 }]);
});

test('a client opens a store that a killed mover has left: closed in part, or opened in part', async () => {
  await using gated = await setting();
  const { bus, plain, set } = gated;
  await bus.queues.send('work', [{ body }]);
  const { revision } = await set('closed', { ttlMs: 100 });
  const closed = await Promise.all(STREAMS.map((stream) => ask(plain, `STREAM.INFO.${stream}`)));
  await expect.poll(() => bus.admin.gate()).toMatchObject({ state: 'open', revision: revision + 1 });
  expect(await bus.queues.send('work', [{ body }])).toMatchObject([{ status: 'stored' }]);
  // A late mover closes the streams, as if it had not been stopped for long. The gate is open.
  for (const [index, stream] of STREAMS.entries()) await ask(plain, `STREAM.UPDATE.${stream}`, closed[index]?.config);
  expect(await (await gated.open()).queues.send('work', [{ body }])).toMatchObject([{ status: 'stored' }]);
  expect(await bus.kv.put('key', body)).toMatchObject({ status: 'stored' });
  // The same with its fence.
  for (const [index, stream] of STREAMS.entries()) await ask(plain, `STREAM.UPDATE.${stream}`, closed[index]?.config);
  await ask(plain, `STREAM.CREATE.BUSBAR_GATE_${revision}`, {
    name: `BUSBAR_GATE_${revision}`,
    ...{ subjects: ['busbar.=.q.>', 'busbar.=.s.>', 'busbar.=.l.>'], discard: 'new', max_msg_size: 1, max_bytes: 1 },
  });
  expect(await bus.queues.send('work', [{ body }])).toMatchObject([{ status: 'stored' }]);
  expect(await bus.queues.receive('work', { max: 10 })).toHaveLength(4);
}, 60_000);

test('events that a client has pulled and not copied are in the queue when the store has closed', async () => {
  await using gated = await setting();
  const { bus, plain, set } = gated;
  await bus.topics.bind('bound', 'news.*');
  await bus.topics.publish('news.a', [
    { id: 'e1', body },
    { id: 'e2', body },
  ]);
  const { consumers = [] } = (await ask(plain, 'CONSUMER.NAMES.BUSBAR_TOPICS')) as { consumers?: string[] };
  // A client that is stopped with the events in its hands.
  const pull = await plain.request(`$JS.API.CONSUMER.MSG.NEXT.BUSBAR_TOPICS.${consumers[0]}`, '{"batch":1}', {
    noMux: true,
    timeout: 5_000,
    reply: 'held',
  });
  expect(pull.subject).toBeDefined();
  await set('closed', { ttlMs: 60_000 });
  const { messages } = await bus.admin.browse('bound');
  expect(messages.map(({ message }) => message.id)).toContain('e1');
  expect(messages).toHaveLength(2);
  await set('open');
  expect(await bus.queues.receive('bound', { max: 5, waitMs: 5_000 })).toHaveLength(2);
});

test('a write whose answer is lost while the store closes says whether it was stored', async () => {
  await using server = await startNats({ proxy: true });
  await using sender = await openNats(parseNatsUrl(server.url));
  await using bus = await openNats(parseNatsUrl(`nats://127.0.0.1:${server.port}`));
  await bus.topics.bind('copies', 'news');
  const write = (id: string): Promise<unknown[]> => {
    const calls = [sender.queues.send('work', [{ id, body }]), sender.topics.publish('news', [{ id, body }])];
    return Promise.all(calls.map((call) => call.catch(({ code, outcome }: BusbarError) => ({ code, outcome }))));
  };
  const counts = async (): Promise<number[]> =>
    Promise.all(['work', 'copies'].map(async (queue) => (await bus.admin.browse(queue)).messages.length));
  await write('first');
  server.network.halfOpen('toClient');
  const heard = write('heard');
  await expect.poll(counts, { timeout: 20_000 }).toEqual([2, 2]);
  server.network.halfOpen('toTarget');
  const unheard = write('unheard');
  await bus.admin.setGate('closed', { ifRevision: 0, ttlMs: 60_000 });
  server.network.cut();
  server.network.heal();
  expect(await heard).toMatchObject([[{ status: 'stored' }], [{ status: 'stored' }]]);
  const refused = { code: 'CONFLICT', outcome: 'failed' };
  expect(await unheard).toEqual([refused, refused]);
  expect(await counts()).toEqual([2, 2]);
}, 60_000);

test('the entry of a settlement that the closing store took is put when the store opens again', async () => {
  await using server = await startNats({ proxy: true });
  await using worker = await openNats(parseNatsUrl(server.url));
  await using bus = await openNats(parseNatsUrl(`nats://127.0.0.1:${server.port}`));
  await worker.queues.send('work', [{ body }]);
  const [{ receipt = '' } = {}] = await worker.queues.receive('work');
  server.network.halfOpen('toClient');
  const settled = worker.queues.settle([{ receipt, action: 'ack', entry: { key: 'result', value: body } }]);
  const isDone = async (): Promise<boolean> => (await bus.admin.queues())[0]?.totals.done === 1;
  await expect.poll(isDone, { timeout: 20_000 }).toBe(true);
  const { revision } = await bus.admin.setGate('closed', { ifRevision: 0, ttlMs: 60_000 });
  server.network.cut();
  server.network.heal();
  await expect.poll(() => worker.state, { timeout: 20_000 }).toBe('open');
  expect(await bus.kv.get('result')).toBeUndefined();
  await bus.admin.setGate('open', { ifRevision: revision });
  expect(await settled).toEqual([{ receipt, status: 'done' }]);
  expect(await bus.kv.get('result')).toMatchObject({ value: Uint8Array.from(body) });
}, 60_000);
