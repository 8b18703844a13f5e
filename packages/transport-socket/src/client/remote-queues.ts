/** The queues of a hub's store. */

import { type QueueDriver, type ReceiveRequest, TickBatcher } from '@busbar/api/driver';
import {
  type Delivery,
  isBusbarError,
  type SendResult,
  type Settlement,
  type SettleResult,
} from '@busbar/api/transport';
import { decodeMessage, type Frame, type Header } from '@busbar/wire';
import { BATCH_BYTES } from '../wire/protocol.ts';
import type { HubClient } from './hub-client.ts';
import { MessageSender } from './message-sender.ts';
import { sizeOfText, splitBatches } from './split-batches.ts';

/** How long a cancelled receive waits for messages that the hub had already sent. */
const CANCEL_TIMEOUT_MS = 1_000;
const MAX_SETTLEMENTS = 256;

/** The queues of a hub's store. `agent` is the only agent that the client acts for. */
export function remoteQueues(
  client: HubClient,
  agent: string | undefined,
): QueueDriver & Required<Pick<QueueDriver, 'receive'>> {
  const sender = new MessageSender<SendResult>(client, agent, (queue, create) => ({
    op: 'queues.send',
    header: create ? { queue } : { queue, create },
    whenLost: 'repeat',
  }));
  const settlements = new TickBatcher<Settlement, SettleResult>({
    run: (_key, all, deadline) => settle(client, all, deadline),
    schedule: (flush) => client.defer(flush),
    maxItems: MAX_SETTLEMENTS,
    maxSize: BATCH_BYTES,
    sizeOf: sizeOfSettlement,
  });
  return {
    send: (queue, messages, create, { deadline }) => sender.send(queue, create, messages, deadline),
    receive: (queue, request, { signal }) => receive(client, queue, request, signal),
    settle: (all, { deadline }) => settlements.call('', all, deadline) as Promise<SettleResult[]>,
    async configure(queue, settings, context) {
      await client.repeat('queues.configure', { queue, settings }, context);
    },
  };
}

async function receive(
  client: HubClient,
  queue: string,
  { max, waitMs, consumer }: ReceiveRequest,
  signal: AbortSignal,
): Promise<Delivery[]> {
  const { id, response } = client.start({
    op: 'queues.receive',
    header: { queue, max, waitMs, consumer },
    deadline: Number.POSITIVE_INFINITY,
    whenLost: 'repeat',
    isWait: true,
  });
  const deliveries = response.then((frame) => decodeDeliveries(client, frame, queue));
  const abandoned = Promise.withResolvers<Delivery[]>();
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    client.cancel(id);
    timer = setTimeout(() => {
      abandoned.resolve([]);
      deliveries.then((late) => release(client, late)).catch(() => undefined);
    }, CANCEL_TIMEOUT_MS);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([deliveries, abandoned.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function release(client: HubClient, deliveries: readonly Delivery[]): Promise<unknown> {
  const settlements = deliveries.map(({ receipt }) => ({ receipt, action: 'release' as const }));
  return deliveries.length === 0 ? Promise.resolve() : settle(client, settlements, Number.POSITIVE_INFINITY);
}

/** A lease began when the hub claimed it, not when its delivery arrived. */
function decodeDeliveries(client: HubClient, { header, bodies }: Frame, queue: string): Delivery[] {
  const deliveries = header['deliveries'] as readonly Header[];
  return deliveries.map((each, index) => {
    const { receipt, attempt, leaseLeftMs: given, ttlLeftMs } = each as unknown as Delivery;
    const leaseLeftMs = client.leaseLeft(given, header['now']);
    return { ...decodeMessage(each, bodies[index]), queue, receipt, attempt, leaseLeftMs, ttlLeftMs };
  });
}

async function settle(client: HubClient, all: readonly Settlement[], deadline: number): Promise<SettleResult[]> {
  const batches = splitBatches(all, sizeOfSettlement);
  const results = await Promise.all(batches.map((batch) => settleBatch(client, batch, deadline)));
  return results.flat();
}

/** Never repeats a settlement: its receipt could belong to another consumer by then (rule RQ3). */
async function settleBatch(
  client: HubClient,
  settlements: readonly Settlement[],
  deadline: number,
): Promise<SettleResult[]> {
  const bodies = settlements.flatMap(({ entry }) => entry?.value ?? []);
  const request = { settlements: bodies.length === 0 ? settlements : settlements.map(withoutValue) };
  const spec = { op: 'queues.settle', header: request, bodies, deadline, whenLost: 'unknown' } as const;
  try {
    const { header } = await client.request(spec);
    const results = header['results'] as SettleResult[];
    return results.map((result) =>
      result.leaseLeftMs === undefined
        ? result
        : { ...result, leaseLeftMs: client.leaseLeft(result.leaseLeftMs, header['now']) },
    );
  } catch (error) {
    if (!isBusbarError(error) || error.code !== 'UNAVAILABLE' || error.outcome !== 'unknown') throw error;
    return settlements.map(({ receipt }) => ({ receipt, status: 'unknown' }));
  }
}

/** The settlement as the header has it. The value of its entry is a body. */
function withoutValue({ entry, ...settlement }: Settlement): Header {
  return entry === undefined ? settlement : { ...settlement, entry: { key: entry.key, ttlMs: entry.ttlMs } };
}

function sizeOfSettlement(settlement: Settlement): number {
  const { receipt, entry } = settlement;
  const entryBytes = entry === undefined ? 0 : entry.value.byteLength + sizeOfText(entry.key);
  return receipt.length + entryBytes + ('reason' in settlement ? sizeOfText(settlement.reason) : 0);
}
