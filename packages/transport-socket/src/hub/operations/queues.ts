/** Operations on queues. */

import { encodeError } from '@busbar/api/driver';
import {
  type Delivery,
  invalid,
  type QueueSettings,
  type SendResult,
  type Settlement,
  type SettleResult,
  type Transport,
} from '@busbar/api/transport';
import { encodeMessage, type Header } from '@busbar/wire';
import { BATCH_BYTES } from '../../wire/protocol.ts';
import { decodeNumber, decodeSettings } from '../../wire/value-codec.ts';
import type { SignedReceipts } from '../rights/signed-receipts.ts';
import { arrayOf, inputsOf, optionsOf } from './arguments.ts';
import type { HubResponse } from './cursors.ts';
import type { HubOperation, HubRequest } from './operation.ts';

export const queueOperations: Readonly<Record<string, HubOperation>> = {
  async 'queues.send'({ header, bodies, client }) {
    const inputs = inputsOf(header, bodies, client.agent);
    const options = optionsOf(header, ['create']);
    return encodeResults(await client.store.queues.send(header['queue'] as string, inputs, options));
  },
  'queues.receive': receive,
  async 'queues.settle'({ header, bodies, client }) {
    const settlements = withValues(arrayOf<Settlement>(header['settlements'], 'settlements'), bodies);
    const receipts = client.limit?.receipts;
    if (receipts === undefined) {
      return settled(await client.store.queues.settle(settlements, optionsOf(header)));
    }
    const opened = settlements.map((each) => ({ ...each, receipt: receipts.open(each?.receipt) }));
    const results = await client.store.queues.settle(opened, optionsOf(header));
    return settled(results.map((each, index) => ({ ...each, receipt: settlements[index]?.receipt ?? '' })));
  },
  async 'queues.configure'({ header, client }) {
    const settings = header['settings'] === undefined ? undefined : decodeSettings(header['settings'] as QueueSettings);
    client.replyQueues.use(header['queue'], client.agent);
    await client.store.queues.configure(header['queue'] as string, settings, optionsOf(header));
    return {};
  },
};

/** Joins the entries of settlements with their values. */
function withValues(settlements: Settlement[], bodies: readonly Uint8Array[]): Settlement[] {
  const entries = settlements.flatMap((settlement) => settlement?.entry ?? []);
  if (entries.length !== bodies.length) {
    throw invalid(`the request has ${entries.length} entries and ${bodies.length} bodies`, 'See docs/protocol.md.');
  }
  for (const [index, entry] of entries.entries()) Object.assign(entry, { value: bodies[index] });
  return settlements;
}

/** The hub's time tells the client when the leases were extended. */
function settled(results: readonly SettleResult[]): HubResponse {
  return { header: { results, now: Math.round(performance.now()) } };
}

/** The response of a send or publish. */
export function encodeResults(results: readonly SendResult[]): HubResponse {
  if (results.every(({ error }) => error === undefined)) return { header: { results } };
  const encoded = results.map((result) => (result.error ? { ...result, error: encodeError(result.error) } : result));
  return { header: { results: encoded } };
}

async function receive(request: HubRequest): Promise<HubResponse> {
  const { header, client } = request;
  client.replyQueues.use(header['queue'], client.agent);
  const { deliveries, now } = await claim(request);
  const receipts = client.limit?.receipts;
  return {
    header: { deliveries: deliveries.map((each) => encodeDelivery(each, receipts)), now },
    bodies: deliveries.map(({ body }) => body),
    undo: () => release(client.store, deliveries),
  };
}

/** Returns messages that the client did not receive. They become ready at once, and the attempt does not count. */
function release(store: Transport, deliveries: readonly Delivery[]): void {
  const settlements = deliveries.map(({ receipt }) => ({ receipt, action: 'release' as const }));
  if (settlements.length > 0) store.queues.settle(settlements).catch(() => undefined);
}

interface ClaimedMessages {
  readonly deliveries: readonly Delivery[];
  /** When the first were claimed, by the clock of the hub. */
  readonly now: number;
}

const NONE: ClaimedMessages = { deliveries: [], now: 0 };

/**
 * Claims no more than one response can contain, when the client has room for that. A receive that waits takes no room: it
 * ends with the messages of one claim.
 */
function claim(request: HubRequest): Promise<ClaimedMessages> {
  const { header, client } = request;
  const { queue, max = 1 } = header as { queue: string; max?: unknown };
  if (typeof max !== 'number' || max > 1000) return claimOnce(request, max);
  return client.answers.runWait(client.sizes.bytesOf(queue, max), () => claimSteps(request, queue, max));
}

/** Claims in steps until the response is large enough. Only the first step waits. */
async function claimSteps(request: HubRequest, queue: string, max: number): Promise<ClaimedMessages> {
  const { sizes } = request.client;
  const deliveries: Delivery[] = [];
  let now: number | undefined;
  for (let left = BATCH_BYTES; ; ) {
    const most = Math.min(max - deliveries.length, sizes.maxMessages(queue, left));
    const claimed = await claimOnce(request, most, now === undefined ? undefined : 0).catch((error: unknown) => {
      if (now === undefined) throw error;
      return NONE;
    });
    now ??= claimed.now;
    deliveries.push(...claimed.deliveries);
    left -= sizes.record(queue, claimed.deliveries);
    const isFull = deliveries.length >= max || left <= 0;
    if (isFull || claimed.deliveries.length < most) return { deliveries, now };
  }
}

/** One claim. With an illegal argument the store refuses it. */
async function claimOnce(
  { header, client, cancellation }: HubRequest,
  max: unknown,
  waitMs: unknown = header['waitMs'],
): Promise<ClaimedMessages> {
  const deliveries = await client.store.queues.receive(header['queue'] as string, {
    ...optionsOf({ consumer: header['consumer'] }, ['consumer']),
    max: max as number,
    ...(waitMs !== undefined && { waitMs: decodeNumber(waitMs) }),
    signal: cancellation.signal,
  });
  return { deliveries, now: Math.round(performance.now()) };
}

function encodeDelivery(delivery: Delivery, receipts: SignedReceipts | undefined): Header {
  const header = encodeMessage(delivery);
  header['receipt'] = receipts === undefined ? delivery.receipt : receipts.sign(delivery.receipt);
  header['attempt'] = delivery.attempt;
  header['leaseLeftMs'] = delivery.leaseLeftMs;
  header['ttlLeftMs'] = delivery.ttlLeftMs;
  return header;
}
