/** Claims messages of a queue. */

import type { Delivery } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { CLAIM, UNDO_CLAIM } from '../lua/queues.ts';
import { toReceipt } from './receipt.ts';
import { toMessage } from './stored-message.ts';

/** What a claim asks for. */
export interface Claim {
  readonly queue: string;
  readonly wanted: number;
  readonly consumer: string | undefined;
  /** The process, where it waits if there is nothing; else empty. */
  readonly process: string;
  /** Unlike that of any other claim: leases whose answer was lost are found by it. */
  readonly id: string;
}

/** What a claim brought. */
export interface Claimed {
  readonly deliveries: Delivery[];
  /** When there may be something next; undefined where nothing is planned. */
  readonly lookMs: number | undefined;
  /** After what time of not being used the queue goes; undefined where it stays. */
  readonly expireIdleMs: number | undefined;
  /** A binding of the queue has history that is not copied yet. */
  readonly isCopying: boolean;
  /** More was there. */
  readonly hasMore: boolean;
}

type Reply = [leaseMs: number, look: number, expireIdle: number, copying: number, left: number, ...rest: unknown[]];

/** Takes messages. A claim whose answer was lost is undone, then its error is thrown. */
export async function claim(
  link: ReconnectingClient,
  { queue, wanted, consumer, process, id }: Claim,
): Promise<Claimed> {
  const bounds = { deadline: Number.POSITIVE_INFINITY, repeat: false };
  const reply = await link.run(CLAIM, [queue, wanted, consumer ?? '', process, id], bounds);
  const [leaseMs, look, idle, copying, left, ...rest] = reply as Reply;
  const deliveries: Delivery[] = [];
  for (let index = 0; index < rest.length; index += 6) deliveries.push(toDelivery(queue, rest, index, leaseMs));
  return {
    deliveries,
    lookMs: look < 0 ? undefined : look,
    expireIdleMs: idle < 0 ? undefined : idle,
    isCopying: copying > 0,
    hasMore: left > 0,
  };
}

/** Gives back what a claim took whose answer was lost. */
export async function undoClaim(link: ReconnectingClient, queue: string, id: string): Promise<void> {
  await link.run(UNDO_CLAIM, [queue, id], { deadline: Number.POSITIVE_INFINITY, repeat: true });
}

function toDelivery(queue: string, reply: readonly unknown[], at: number, leaseMs: number): Delivery {
  const key = String(reply[at]);
  const ttlLeft = String(reply[at + 3]);
  return {
    ...toMessage(key, String(reply[at + 4]), reply[at + 5] as Buffer),
    queue,
    receipt: toReceipt({ queue, token: String(reply[at + 1]), key }),
    attempt: Number(reply[at + 2]),
    leaseLeftMs: leaseMs,
    ttlLeftMs: ttlLeft === '' ? undefined : Number(ttlLeft) / 1000,
  };
}
