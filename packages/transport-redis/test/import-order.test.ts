// Imports keep the order of their records, though groups of them overlap.
import type { MessageState, StateRecord, Transport } from '@busbar/api/transport';
import { needServer, startRedis } from '@busbar/testbed';
import { expect, test, vi } from 'vitest';
import { Importer } from '../src/admin/import.ts';
import type { ReconnectingClient } from '../src/connection/client.ts';
import { openRedis, parseRedisUrl } from '../src/index.ts';

const EVENTS = 250;

function eventOf(number: number): StateRecord {
  const message = {
    ...{ id: `e${number}`, contentType: undefined, type: undefined, from: undefined, to: undefined, topic: 'news' },
    ...{ priority: 4, orderingKey: undefined, correlationId: undefined, causationId: undefined, replyTo: undefined },
    ...{ hops: 0, headers: {}, sentAt: number },
  };
  const exported = { message, bodyBase64: '', state: 'ready', attempts: 0, history: [] };
  return { kind: 'event', topic: 'news', message: exported } as unknown as StateRecord;
}

test('events whose known ones are read again in between keep their order', async () => {
  const sent: number[] = [];
  const run = async (_: unknown, args: readonly unknown[]): Promise<unknown> => {
    // The keys of known events come later than any other reply.
    if (args.length === 2) return new Promise((resolve) => setImmediate(() => setImmediate(() => resolve([]))));
    sent.push(Number(args.at(-1)));
    return 1;
  };
  const client = { run, runNow: run } as unknown as ReconnectingClient;
  const importer = new Importer(client, { topicDedupeMs: 1_000 } as never);
  const bounds = { deadline: Number.POSITIVE_INFINITY, gateRevision: undefined };
  await importer.importAll([eventOf(0)], bounds);
  const later = performance.now() + 3_600_000;
  using now = vi.spyOn(performance, 'now').mockReturnValue(later);
  await importer.importAll(
    Array.from({ length: EVENTS }, (_, index) => eventOf(index + 1)),
    bounds,
  );
  expect(now).toHaveBeenCalled();
  expect(sent).toEqual(Array.from({ length: EVENTS + 1 }, (_, index) => index));
});

test('messages of a closed store keep their order, state and ids, though many are stored together', async ({
  skip,
}) => {
  needServer('redis-server', skip);
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  const ids = Array.from({ length: EVENTS }, (_, index) => `m${String(index).padStart(4, '0')}`);
  const { queues, admin } = transport;
  const body = Buffer.from('x');
  await queues.configure('work', { leaseMs: 60_000 });
  await queues.send(
    'later',
    ids.map((id) => ({ id, body, delayMs: 3_600_000 })),
  );
  await queues.send(
    'work',
    ids.map((id, index) => ({ id, body, ...(index % 50 === 7 ? { ttlMs: 3_600_000 } : {}) })),
  );
  const [bad] = await queues.receive('work');
  await queues.settle([{ receipt: bad?.receipt ?? '', action: 'reject' }]);
  const [next] = await queues.receive('work');
  await queues.settle([{ receipt: next?.receipt ?? '', action: 'retry' }]);
  const before = [await idsOf(transport, 'later', 'delayed'), await idsOf(transport, 'work', 'ready')];
  const { revision: ifRevision } = await admin.gate();
  const { revision: gateRevision } = await admin.setGate('closed', { ifRevision });
  const records: StateRecord[] = [];
  for await (const record of admin.exportState()) records.push(record);
  await admin.clear({ gateRevision });
  // Those of the second half come twice.
  const added = await admin.importState([...records, ...records.slice(-EVENTS)], { gateRevision });
  expect(added).toBeLessThanOrEqual(records.length);
  expect([await idsOf(transport, 'later', 'delayed'), await idsOf(transport, 'work', 'ready')]).toEqual(before);
  const { messages } = await admin.browse('work', { state: 'dead' });
  expect(messages.map(({ message, attempts }) => [message.id, attempts])).toEqual([['m0000', 1]]);
  const [retried] = (await admin.browse('work', { ids: ['m0001'] })).messages;
  expect([retried?.attempts, retried?.history.length]).toEqual([1, 1]);
});

async function idsOf({ admin }: Transport, queue: string, state: MessageState): Promise<string[]> {
  return (await admin.browse(queue, { state, limit: 1_000 })).messages.map(({ message }) => message.id);
}
