// Ids with records of their own: many at once, raced for, and imported.
import type { StateRecord, Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

const HOUR_MS = 3_600_000;
const MANY = 1_200;

beforeEach(({ skip }) => needServer('nats-server', skip));

function open(server: NatsServer, ns = 'ids'): Promise<Transport> {
  return openNats(parseNatsUrl(`${server.url}?ns=${ns}`));
}

function messages(count: number): { id: string; body: Uint8Array }[] {
  return Array.from({ length: count }, (_, index) => ({ id: `m${index}`, body: Buffer.from(`${index}`) }));
}

async function readyOf({ admin }: Transport, queue: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const record of admin.exportState()) {
    if (record.kind === 'message' && record.queue === queue) ids.push(record.message.message.id);
  }
  return ids;
}

test('many messages of one call and of many calls are stored once and keep their order', async () => {
  await using server = await startNats();
  await using bus = await open(server);
  const { queues } = bus;
  await queues.configure('long', { dedupeMs: HOUR_MS });
  const some = messages(MANY).slice(0, 700);
  const one = await queues.send('long', some);
  expect(new Set(one.map(({ status }) => status))).toEqual(new Set(['stored']));
  const singles = await Promise.all(
    messages(MANY)
      .slice(700)
      .map((each) => queues.send('long', [each])),
  );
  expect(new Set(singles.flat().map(({ status }) => status))).toEqual(new Set(['stored']));
  const again = await queues.send('long', messages(MANY));
  expect(new Set(again.map(({ status }) => status))).toEqual(new Set(['duplicate']));
  expect(await readyOf(bus, 'long')).toEqual(messages(MANY).map(({ id }) => id));
});

test('two processes that send the same ids store each of them once', async () => {
  await using server = await startNats();
  await using one = await open(server);
  await using two = await open(server);
  await one.queues.configure('long', { dedupeMs: HOUR_MS });
  const send = (transport: Transport): Promise<unknown[]> =>
    Promise.all(messages(300).map((each) => transport.queues.send('long', [each])));
  const results = (await Promise.all([send(one), send(two)])).flat(2) as { status: string }[];
  expect(results.filter(({ status }) => status === 'stored')).toHaveLength(300);
  expect(results.filter(({ status }) => status === 'duplicate')).toHaveLength(300);
  expect((await readyOf(one, 'long')).sort()).toEqual(
    messages(300)
      .map(({ id }) => id)
      .sort(),
  );
});

test('a connection that is lost between two batches loses and doubles nothing', async () => {
  await using server = await startNats();
  await using bus = await open(server);
  const { queues } = bus;
  await queues.configure('long', { dedupeMs: HOUR_MS });
  const sending = Promise.all(messages(MANY).map((each) => queues.send('long', [each])));
  await server.kill();
  await server.start();
  const results = (await sending).flat();
  expect(results.filter(({ status }) => status !== 'stored')).toEqual([]);
  expect((await readyOf(bus, 'long')).length).toBe(MANY);
});

test('an import of many messages goes on in an open store, and what was settled since is imported again', async () => {
  await using server = await startNats();
  await using source = await open(server, 'source');
  await using target = await open(server, 'target');
  await source.queues.send('work', messages(MANY));
  const records: StateRecord[] = [];
  for await (const record of source.admin.exportState()) records.push(record);
  const ofMessages = records.filter(({ kind }) => kind === 'queue' || kind === 'message');
  expect(await target.admin.importState(ofMessages)).toBe(MANY + 1);
  expect(await target.admin.importState(ofMessages)).toBe(0);
  const deliveries = await target.queues.receive('work', { max: 100 });
  await target.queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
  expect(await target.admin.importState(ofMessages)).toBe(100);
  expect((await readyOf(target, 'work')).length).toBe(MANY);
});

test('more clients than the server takes batches send at once, and each message is stored', async () => {
  await using server = await startNats();
  await using first = await open(server);
  await first.queues.configure('long', { dedupeMs: HOUR_MS });
  await using stack = new AsyncDisposableStack();
  const clients = await Promise.all(Array.from({ length: 70 }, () => open(server)));
  for (const client of clients) stack.use(client);
  const sends = clients.map((client, index) =>
    client.queues.send(
      'long',
      messages(20).map((each) => ({ ...each, id: `${index} ${each.id}` })),
    ),
  );
  const statuses = new Set((await Promise.all(sends)).flat().map(({ status }) => status));
  expect(statuses).toEqual(new Set(['stored']));
  expect(await readyOf(first, 'long')).toHaveLength(1_400);
});

test('what others send during an import into an open store is not imported again', async () => {
  await using server = await startNats();
  await using source = await open(server, 'source');
  await using target = await open(server, 'target');
  await using other = await open(server, 'target');
  await source.queues.send('work', messages(4));
  const records: StateRecord[] = [];
  for await (const record of source.admin.exportState()) if (record.kind === 'message') records.push(record);
  expect(await target.admin.importState(records.slice(0, 2))).toBe(2);
  await other.queues.send('work', [{ id: 'm2', body: Buffer.from('x') }]);
  expect(await target.admin.importState(records.slice(2))).toBe(1);
  expect(await readyOf(target, 'work')).toEqual(['m0', 'm1', 'm2', 'm3']);
});

test('an import goes on after the server was killed, and nothing is stored twice', async () => {
  await using server = await startNats();
  await using source = await open(server, 'source');
  await using target = await open(server, 'target');
  await source.queues.send('work', messages(1_000));
  await source.queues.send(
    'work',
    messages(MANY).map(({ id, body }) => ({ id: `n${id}`, body })),
  );
  const records: StateRecord[] = [];
  for await (const record of source.admin.exportState()) {
    if (record.kind === 'queue' || record.kind === 'message') records.push(record);
  }
  const importing = target.admin.importState(records);
  await server.kill();
  await server.start();
  expect(await importing).toBe(records.length);
  expect(await readyOf(target, 'work')).toEqual(await readyOf(source, 'work'));
  const [work] = await target.admin.queues();
  expect(work).toMatchObject({ ready: 1_000 + MANY, totals: { sent: 1_000 + MANY } });
});
