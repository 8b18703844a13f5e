/** What clients may ask of queues. */

import type { Delivery, QueueSettings, SendResult, Settlement, Transport } from '@busbar/api/transport';
import { toErrorHead } from '../../wire/error-codec.ts';
import type { Head } from '../../wire/frame.ts';
import { toMessageHead } from '../../wire/message-codec.ts';
import { readSettings } from '../../wire/value-codec.ts';
import { bounds, inputs, listOf, pick, unbounded } from './arguments.ts';
import type { Operation, Reply, Request } from './operation.ts';

export const queueOperations: Readonly<Record<string, Operation>> = {
  async 'queues.send'({ head, bodies, client }) {
    const options =
      head['create'] === undefined ? bounds(head) : { ...bounds(head), create: head['create'] as boolean };
    const messages = inputs(head, bodies, client);
    return toResults(await client.store.queues.send(head['queue'] as string, messages, options));
  },
  'queues.receive': receive,
  async 'queues.settle'({ head, client }) {
    const settlements = listOf<Settlement>(head['settlements'], 'settlements');
    return { head: { results: await client.store.queues.settle(settlements, bounds(head)) } };
  },
  async 'queues.configure'({ head, client }) {
    const settings = head['settings'] === undefined ? undefined : readSettings(head['settings'] as QueueSettings);
    await client.store.queues.configure(head['queue'] as string, settings, bounds(head));
    return {};
  },
};

/** Results of a send; an error among them as the wire says it. */
export function toResults(results: readonly SendResult[]): Reply {
  if (results.every(({ error }) => error === undefined)) return { head: { results } };
  const heads = results.map((result) => (result.error ? { ...result, error: toErrorHead(result.error) } : result));
  return { head: { results: heads } };
}

async function receive(request: Request): Promise<Reply> {
  const { head, client } = request;
  const deliveries = await claim(request);
  client.sizes.note(head['queue'] as string, deliveries);
  return {
    head: { deliveries: deliveries.map(toDeliveryHead) },
    bodies: deliveries.map(({ body }) => body),
    undo: () => giveBack(client.store, deliveries),
  };
}

/** Nobody has heard of them: they go back at once, uncounted. */
function giveBack(store: Transport, deliveries: readonly Delivery[]): void {
  const back = deliveries.map(({ receipt }) => ({ receipt, action: 'release' as const }));
  if (back.length > 0) store.queues.settle(back).catch(() => undefined);
}

/** No more than one answer holds: of a queue that nobody knows yet a few, and then by their size. */
async function claim({ head, client, cancellation }: Request): Promise<Delivery[]> {
  const { queue, max, waitMs } = head as { queue: string; max?: number; waitMs?: unknown };
  const options = {
    ...pick(head, ['consumer']),
    ...(max === undefined
      ? {}
      : { max: typeof max === 'number' && max <= 1000 ? Math.min(max, client.sizes.room(queue)) : max }),
    ...(waitMs === undefined ? {} : { waitMs: unbounded(waitMs) }),
    signal: cancellation.signal,
  };
  return client.store.queues.receive(queue, options);
}

function toDeliveryHead(delivery: Delivery): Head {
  const head = toMessageHead(delivery);
  head['receipt'] = delivery.receipt;
  head['attempt'] = delivery.attempt;
  head['leaseLeftMs'] = delivery.leaseLeftMs;
  if (delivery.ttlLeftMs !== undefined) head['ttlLeftMs'] = delivery.ttlLeftMs;
  return head;
}
