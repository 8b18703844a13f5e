/** Operations on queues. */

import { encodeError } from '@busbar/api/driver';
import type { Delivery, QueueSettings, SendResult, Settlement, SettleResult, Transport } from '@busbar/api/transport';
import type { Header } from '../../wire/frame.ts';
import { encodeMessage } from '../../wire/message-codec.ts';
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
  async 'queues.settle'({ header, client }) {
    const settlements = arrayOf<Settlement>(header['settlements'], 'settlements');
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

/** The hub's time tells the client when the leases were extended. */
function settled(results: readonly SettleResult[]): HubResponse {
  return { header: { results, now: performance.now() } };
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

/**
 * Claims no more than one response can contain. What is ready is claimed when the client has room for the answer. A wait
 * needs no room: it ends with the messages of one claim.
 */
async function claim(request: HubRequest): Promise<ClaimedMessages> {
  const { header, client } = request;
  const { queue, max = 1, waitMs = 0 } = header as { queue: string; max?: unknown; waitMs?: unknown };
  const isLegal = typeof max === 'number' && max <= 1000;
  const room = client.sizes.bytesOf(queue, isLegal ? max : 1);
  const ready = await client.answers.run(room, () => claimReady(request, isLegal ? max : undefined));
  if (ready.deliveries.length > 0 || waitMs === 0) return ready;
  const most = isLegal ? Math.min(max, client.sizes.maxMessages(queue, BATCH_BYTES)) : max;
  const deliveries = await receiveOnce(request, most, decodeNumber(waitMs));
  client.sizes.record(queue, deliveries);
  return { deliveries, now: performance.now() };
}

/** Claims in steps until the response is large enough. With an illegal `max` the store refuses the claim. */
async function claimReady(request: HubRequest, max: number | undefined): Promise<ClaimedMessages> {
  const { header, client } = request;
  const queue = header['queue'] as string;
  const deliveries: Delivery[] = [];
  let now: number | undefined;
  for (let left = BATCH_BYTES; ; ) {
    const most = Math.min((max ?? 1) - deliveries.length, client.sizes.maxMessages(queue, left));
    const claimed = await receiveOnce(request, max === undefined ? header['max'] : most, 0).catch((error: unknown) => {
      if (deliveries.length === 0) throw error;
      return [];
    });
    now ??= performance.now();
    deliveries.push(...claimed);
    left -= client.sizes.record(queue, claimed);
    const isFull = max === undefined || deliveries.length >= max || left <= 0;
    if (isFull || claimed.length < most) return { deliveries, now };
  }
}

function receiveOnce({ header, client, cancellation }: HubRequest, max: unknown, waitMs: number): Promise<Delivery[]> {
  return client.store.queues.receive(header['queue'] as string, {
    ...optionsOf({ consumer: header['consumer'] }, ['consumer']),
    max: max as number,
    waitMs,
    signal: cancellation.signal,
  });
}

function encodeDelivery(delivery: Delivery, receipts: SignedReceipts | undefined): Header {
  const header = encodeMessage(delivery);
  header['receipt'] = receipts === undefined ? delivery.receipt : receipts.sign(delivery.receipt);
  header['attempt'] = delivery.attempt;
  header['leaseLeftMs'] = delivery.leaseLeftMs;
  header['ttlLeftMs'] = delivery.ttlLeftMs;
  return header;
}
