/** Claims messages for the receives of this process. Redis wakes one waiting process for each message. */

import type { ClaimRequest, ClaimResult, ReceiverGroup, WaitingReceives } from '@busbar/api/driver';
import { type Delivery, isBusbarError } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { CLAIM, UNDO_CLAIM } from '../lua/queues.ts';
import type { Backfill } from '../topics/backfill.ts';
import { toReceipt } from './receipt.ts';
import { splitStored, toMessage } from './stored-message.ts';

/** The server forgets a waiting process after ten minutes, so it registers again after five. */
const REGISTER_AGAIN_MS = 300_000;
const ONCE = { deadline: Number.POSITIVE_INFINITY, repeat: false };

type Reply = [
  ...[leaseMs: number, dueMs: number, expireIdleMs: number, backfills: number, left: number, heads: Buffer],
  ...messages: Buffer[],
];
/** Values of each delivery in the heads. */
const HEAD_WIDTH = 4;

export class Claimer {
  readonly #client: ReconnectingClient;
  readonly #waiting: WaitingReceives;
  readonly #backfill: Backfill;
  readonly #process: string;
  /** Queues with a claim in progress. A wake-up during it makes another claim follow. */
  readonly #claiming = new Set<string>();
  #subscribed: Promise<void> | undefined;
  #isSubscribed = false;
  #claims = 0;

  constructor(client: ReconnectingClient, waiting: WaitingReceives, backfill: Backfill) {
    this.#client = client;
    this.#process = client.past.process;
    this.#waiting = waiting;
    this.#backfill = backfill;
    client.onReconnect(() => waiting.wakeAll());
  }

  /** Serves the first group of the request. It runs with the other calls of the next round trip. */
  claim(queue: string, request: ClaimRequest): Promise<ClaimResult> {
    this.#claiming.add(queue);
    return new Promise((resolve) => this.#client.inNextRound(() => resolve(this.#claim(queue, request))));
  }

  async #claim(queue: string, request: ClaimRequest): Promise<ClaimResult> {
    const id = `${this.#process}.${++this.#claims}`;
    try {
      let groups = request.receivers();
      const waits = groups.some((group) => group.waits);
      if (waits && !this.#isSubscribed) {
        await this.#subscribe();
        groups = request.receivers();
      }
      const [group] = groups;
      if (group === undefined) {
        this.#passOn(queue);
        return { deliveries: [], hasMore: false };
      }
      const args = [queue, group.max, group.consumer ?? '', waits ? this.#process : '', id];
      const reply = (await this.#client.runNow(CLAIM, args, ONCE)) as Reply;
      const [, , , backfills] = reply;
      if (backfills === 0) return toResult(queue, groups, reply);
      await this.#backfill.run(queue);
    } catch (error) {
      if (!isBusbarError(error) || error.outcome !== 'unknown') throw error;
      // The reply was lost. The messages that it leased, if any, are released and claimed again.
      await this.#client.runNow(UNDO_CLAIM, [queue, id], { ...ONCE, repeat: true });
    } finally {
      this.#claiming.delete(queue);
    }
    return { deliveries: [], hasMore: true };
  }

  /** From now on, messages on the channel of this process wake its receives. */
  async #subscribe(): Promise<void> {
    this.#subscribed ??= this.#client.channels.subscribe(`wakeup:${this.#process}`, (message) => {
      const queue = message.toString();
      if (!this.#waiting.wake(queue) && !this.#claiming.has(queue)) this.#passOn(queue);
    });
    await this.#subscribed;
    this.#isSubscribed = true;
  }

  /** This process was woken and no longer waits. A claim of no message wakes another process if messages are ready. */
  #passOn(queue: string): void {
    this.#client.runNow(CLAIM, [queue, 0, '', '', '-'], ONCE).catch(() => undefined);
  }
}

function toResult(queue: string, groups: readonly ReceiverGroup[], reply: Reply): ClaimResult {
  const [leaseMs, dueMs, expireIdleMs, , left, headsText, ...messages] = reply;
  // No value has this character.
  const heads = headsText.toString().split('\0');
  const deliveries = messages.map((stored, index) => toDelivery({ queue, leaseMs, stored }, heads, index * HEAD_WIDTH));
  // A group that got all it asked for says nothing about the next one, for which the process must register too.
  const isNextOpen = groups.length > 1 && deliveries.length === groups[0]?.max;
  const useIdleMs = expireIdleMs < 0 ? Number.POSITIVE_INFINITY : expireIdleMs / 4;
  const recheckMs = Math.min(REGISTER_AGAIN_MS, useIdleMs, dueMs < 0 ? Number.POSITIVE_INFINITY : dueMs);
  return { deliveries: [deliveries], hasMore: left > 0 || isNextOpen, recheckMs };
}

function toDelivery(
  { queue, leaseMs, stored }: { readonly queue: string; readonly leaseMs: number; readonly stored: Buffer },
  heads: readonly string[],
  at: number,
): Delivery {
  const key = heads[at] ?? '';
  const ttlLeftUs = heads[at + 3] ?? '';
  const [envelope, body] = splitStored(stored);
  return {
    ...toMessage(key, envelope, body),
    queue,
    receipt: toReceipt({ queue, token: heads[at + 1] ?? '', key }),
    attempt: Number(heads[at + 2]),
    leaseLeftMs: leaseMs,
    ttlLeftMs: ttlLeftUs === '' ? undefined : Number(ttlLeftUs) / 1000,
  };
}
