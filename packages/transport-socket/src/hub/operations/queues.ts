/** Operations on queues. */

import { encodeError } from '@busbar/api/driver';
import type { Delivery, QueueSettings, SendResult, Settlement, Transport } from '@busbar/api/transport';
import type { Header } from '../../wire/frame.ts';
import { encodeMessage } from '../../wire/message-codec.ts';
import { decodeNumber, decodeSettings } from '../../wire/value-codec.ts';
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
    return { header: { results: await client.store.queues.settle(settlements, optionsOf(header)) } };
  },
  async 'queues.configure'({ header, client }) {
    const settings = header['settings'] === undefined ? undefined : decodeSettings(header['settings'] as QueueSettings);
    await client.store.queues.configure(header['queue'] as string, settings, optionsOf(header));
    return {};
  },
};

/** The response of a send or publish. */
export function encodeResults(results: readonly SendResult[]): HubResponse {
  if (results.every(({ error }) => error === undefined)) return { header: { results } };
  const encoded = results.map((result) => (result.error ? { ...result, error: encodeError(result.error) } : result));
  return { header: { results: encoded } };
}

async function receive(request: HubRequest): Promise<HubResponse> {
  const { header, client } = request;
  const deliveries = await claim(request);
  client.sizes.record(header['queue'] as string, deliveries);
  return {
    header: { deliveries: deliveries.map(encodeDelivery) },
    bodies: deliveries.map(({ body }) => body),
    undo: () => release(client.store, deliveries),
  };
}

/** Returns messages that the client did not receive. They become ready at once, and the attempt does not count. */
function release(store: Transport, deliveries: readonly Delivery[]): void {
  const settlements = deliveries.map(({ receipt }) => ({ receipt, action: 'release' as const }));
  if (settlements.length > 0) store.queues.settle(settlements).catch(() => undefined);
}

/** Claims no more than one response can contain. */
async function claim({ header, client, cancellation }: HubRequest): Promise<Delivery[]> {
  const { queue, max, waitMs } = header as { queue: string; max?: number; waitMs?: unknown };
  const isLegal = typeof max === 'number' && max <= 1000;
  return client.store.queues.receive(queue, {
    ...optionsOf({ consumer: header['consumer'] }, ['consumer']),
    ...(max !== undefined && { max: isLegal ? Math.min(max, client.sizes.maxMessages(queue)) : max }),
    ...(waitMs !== undefined && { waitMs: decodeNumber(waitMs) }),
    signal: cancellation.signal,
  });
}

function encodeDelivery(delivery: Delivery): Header {
  const header = encodeMessage(delivery);
  header['receipt'] = delivery.receipt;
  header['attempt'] = delivery.attempt;
  header['leaseLeftMs'] = delivery.leaseLeftMs;
  header['ttlLeftMs'] = delivery.ttlLeftMs;
  return header;
}
