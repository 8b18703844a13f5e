/** The ledger of a queue says the same before and after it is compacted. */

import type { Transport } from '@busbar/api/transport';
import { needServer, startNats } from '@busbar/testbed';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import type { PubAck } from '../src/connection/server-requests.ts';
import { openNats, parseNatsUrl } from '../src/index.ts';
import { type LedgerRecord, Ledgers } from '../src/queues/ledger.ts';
import { compactorOf } from './compactor.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

test('settled messages, which stay for dedupe, take no room from a queue with a limit', async () => {
  await using server = await startNats();
  await using transport = await openNats(parseNatsUrl(server.url));
  await transport.queues.configure('work', { maxLength: 100 });
  for (let round = 0; round < 5; round += 1) {
    const sent = await transport.queues.send('work', Array(90).fill({ body: Buffer.from('x') }));
    expect(sent.every(({ status }) => status === 'stored')).toBe(true);
    await drain(transport);
  }
  const sent = await transport.queues.send('work', Array(110).fill({ body: Buffer.from('x') }));
  expect(sent.map(({ status }) => status).lastIndexOf('stored')).toBe(99);
});

test('counts, attempts, history and receipts survive compaction, also while a long lease holds the floor', async () => {
  await using server = await startNats();
  await using transport = await openNats(parseNatsUrl(server.url));
  const bodies = Array.from({ length: 60 }, (_, number) => ({ id: `m${number}`, body: Buffer.from(`m${number}`) }));
  await transport.queues.send('work', bodies);
  const deliveries = await transport.queues.receive('work', { max: 50, consumer: 'tester' });
  const receiptOf = (number: number): string => deliveries[number]?.receipt ?? '';
  // The first stays leased and holds the floor; others are acked, retried, rejected.
  const acks = Array.from({ length: 30 }, (_, number) => ({ receipt: receiptOf(number + 1), action: 'ack' }) as const);
  await transport.queues.settle(acks);
  await transport.queues.settle([
    { receipt: receiptOf(31), action: 'retry', reason: 'soon' },
    { receipt: receiptOf(32), action: 'retry', delayMs: 60_000, reason: 'later' },
    { receipt: receiptOf(33), action: 'reject', reason: 'never' },
  ]);
  const before = await look(transport);
  await using compactor = await compactorOf(server.url);
  await compactor.compact('work');
  expect(await look(transport)).toEqual(before);
  await using other = await openNats(parseNatsUrl(server.url));
  expect(await look(other)).toEqual(before);
  const [first] = await other.queues.settle([{ receipt: receiptOf(0), action: 'ack' }]);
  expect(first?.status).toBe('done');
  const [again] = await other.queues.settle([{ receipt: receiptOf(1), action: 'ack' }]);
  expect(again?.status).toBe('lease-lost');
  await transport.queues.settle(deliveries.slice(34).map(({ receipt }) => ({ receipt, action: 'ack' })));
  const left = await drain(other);
  expect(left.map(({ id }) => id).toSorted()).toEqual(['m31', ...bodies.slice(50).map(({ id }) => id)].toSorted());
  expect(left.find(({ id }) => id === 'm31')?.attempt).toBe(2);
  const [info] = await other.admin.queues();
  expect(info).toMatchObject({ ready: 0, leased: 0, delayed: 1, dead: 1, totals: { sent: 60, done: 58, dead: 1 } });
  expect((await other.queues.send('work', [{ id: 'm5', body: Buffer.from('x') }]))[0]?.status).toBe('duplicate');
});

test('a consumer that was lost for good gives nothing again that was settled, and attempts go on', async () => {
  await using server = await startNats();
  await using transport = await openNats(parseNatsUrl(server.url));
  await transport.queues.configure('work', { leaseMs: 600 });
  const bodies = Array.from({ length: 40 }, (_, number) => ({ id: `m${number}`, body: Buffer.from('x') }));
  await transport.queues.send('work', bodies);
  const deliveries = await transport.queues.receive('work', { max: 20 });
  await transport.queues.settle(deliveries.slice(0, 15).map(({ receipt }) => ({ receipt, action: 'ack' })));
  await transport.queues.settle([{ receipt: deliveries[15]?.receipt ?? '', action: 'retry' }]);
  await using connection = await connect({ servers: new URL(server.url).host });
  const manager = await jetstreamManager(connection);
  const [consumer] = await manager.consumers.list('BUSBAR_QUEUES').next();
  await manager.consumers.delete('BUSBAR_QUEUES', consumer?.name ?? '');
  const left: { id: string; attempt: number }[] = [];
  for (let idle = 0; idle < 3; ) {
    const got = await transport.queues.receive('work', { max: 100, waitMs: 400 });
    idle = got.length === 0 ? idle + 1 : 0;
    left.push(...got.map(({ id, attempt }) => ({ id, attempt })));
    await transport.queues.settle(got.map(({ receipt }) => ({ receipt, action: 'ack' })));
  }
  expect(left.map(({ id }) => id).toSorted()).toEqual(
    bodies
      .slice(15)
      .map(({ id }) => id)
      .toSorted(),
  );
  const attempts = new Map(left.map(({ id, attempt }) => [id, attempt]));
  expect([attempts.get('m15'), attempts.get('m16'), attempts.get('m20')]).toEqual([2, 2, 1]);
  const [info] = await transport.admin.queues();
  expect(info).toMatchObject({ ready: 0, leased: 0, totals: { sent: 40, done: 40 } });
}, 30_000);

test('a ledger is compacted while others add records to it', async () => {
  await using server = await startNats();
  await using transport = await openNats(parseNatsUrl(server.url));
  await transport.queues.send('work', Array(20).fill({ body: Buffer.from('x') }));
  await drain(transport);
  await using connection = await connect({ servers: new URL(server.url).host });
  const manager = await jetstreamManager(connection);
  const countRecords = async () => {
    const { state } = await manager.streams.info('BUSBAR_LEDGER', { subjects_filter: 'busbar.=.l.work' });
    return state.subjects?.['busbar.=.l.work'] ?? 0;
  };
  await transport.queues.send('work', [{ body: Buffer.from('x') }]);
  await transport.queues.receive('work');
  // The receive does not wait for the reply to its record.
  await expect.poll(countRecords).toBeGreaterThan(2);
  await using compactor = await compactorOf(server.url, (...of) => new BusyLedgers(...of));
  await compactor.compact('work');
  expect(await countRecords()).toBe(1);
  const [info] = await transport.admin.queues();
  expect(info).toMatchObject({ ready: 0, leased: 1, totals: { sent: 21, done: 20 } });
});

/** Ledgers to which another process adds a record just before each of the first snapshots. */
class BusyLedgers extends Ledgers {
  #left = 3;

  override async appendAfter(queue: string, record: LedgerRecord, last: number): Promise<PubAck | undefined> {
    this.#left -= 1;
    if (this.#left >= 0) await this.append(queue, { k: 'u', inc: record.inc, unsent: 0 });
    return super.appendAfter(queue, record, last);
  }
}

/** What an operator sees, but for times. */
async function look(transport: Transport): Promise<unknown> {
  const [info] = await transport.admin.queues();
  const { messages } = await transport.admin.browse('work', { limit: 1_000 });
  const shown = messages.map(({ message, state, attempts, consumer, history }) => ({
    ...{ id: message.id, state, attempts, consumer },
    history: history.map(({ attempt, outcome, reason }) => ({ attempt, outcome, reason })),
  }));
  return { ...info, oldestAgeMs: 0, shown };
}

async function drain(transport: Transport): Promise<{ id: string; attempt: number }[]> {
  const all: { id: string; attempt: number }[] = [];
  for (;;) {
    const got = await transport.queues.receive('work', { max: 100, waitMs: 300 });
    if (got.length === 0) return all;
    all.push(...got.map(({ id, attempt }) => ({ id, attempt })));
    await transport.queues.settle(got.map(({ receipt }) => ({ receipt, action: 'ack' })));
  }
}
