/** Messages that are received without a handler, for shells and custom loops. */

import { invalid, toBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import type { Settlement } from '../../contract/queues.ts';
import { checkBoolean, checkDuration, checkOptions, checkText, MAX_DURATION_MS } from '../../contract/validation.ts';
import { type RetryRule, retryAfter } from '../consuming/backoff.ts';
import { reasonOf } from '../consuming/failure.ts';
import { type ReceivedMessage, toReceived } from '../consuming/received.ts';
import { type ReleaseOptions, releaseOne, settleOne } from '../consuming/settle-one.ts';
import { toReply } from '../requests/replies.ts';
import type { BusRuntime } from '../runtime.ts';
import { sendReply } from './inbox.ts';

/** How to retry. */
export interface RetryOptions {
  /** The delay, 0 or more. Default: by the retry policy of the agent. */
  readonly delayMs?: number | undefined;
  /** The reason, at most 2,000 characters. */
  readonly reason?: string | undefined;
}

/** How to renew a lease. */
export interface ExtendOptions {
  /** How long it lasts from now on, 50 to 43,200,000. Default: the full lease of the queue. */
  readonly leaseMs?: number | undefined;
}

/** The lease that `options` ask for. */
export function leaseOf(options: ExtendOptions | undefined): number | undefined {
  checkOptions(options, ['leaseMs'], 'extend options');
  return options?.leaseMs;
}

/** A message under a lease. Settle it before the lease ends; after that, methods reject with LEASE_LOST. */
export interface InboxMessage<T = unknown> extends ReceivedMessage<T> {
  /** Another process can settle it with this, if the transport has the feature `portableReceipts`. */
  readonly receipt: string;
  /** How long the lease lasted when it was received. */
  readonly leaseLeftMs: number;
  /** Whether a requester waits for a reply. */
  readonly wantsReply: boolean;
  /** Deletes it as handled. */
  ack(): Promise<void>;
  /** Retries it later; after the last attempt it becomes a dead letter. */
  retry(options?: RetryOptions): Promise<void>;
  /** Makes it a dead letter. */
  reject(reason?: string): Promise<void>;
  /** Returns it to the queue, now or after a delay; the attempt does not count. */
  release(options?: ReleaseOptions): Promise<void>;
  /** Renews the lease. */
  extend(options?: ExtendOptions): Promise<void>;
  /** Replies to the requester: with the response, or with a part if `final` is false. Ack it after the response. */
  reply(body: unknown, options?: { readonly final?: boolean | undefined }): Promise<void>;
}

/** Decodes a delivery. A message that cannot be decoded becomes a dead letter, and the result is undefined. */
export async function toInboxMessage(
  runtime: BusRuntime,
  agent: string,
  retry: RetryRule,
  delivery: Delivery,
): Promise<InboxMessage | undefined> {
  const { id, attempt, receipt, leaseLeftMs, replyTo } = delivery;
  try {
    const received = await toReceived(runtime.bodyCodec, delivery);
    return {
      ...received,
      receipt,
      leaseLeftMs,
      wantsReply: replyTo !== undefined,
      ...methodsOf(runtime, agent, retry, delivery),
    };
  } catch (error) {
    runtime.report(error, { kind: 'message', agent, id, attempt });
    await runtime.leases.settleNow({ receipt, action: 'reject', reason: reasonOf(toBusbarError(error)) });
    return undefined;
  }
}

type SettlingMethods = Pick<InboxMessage, 'ack' | 'retry' | 'reject' | 'release' | 'extend' | 'reply'>;

function methodsOf(runtime: BusRuntime, agent: string, rule: RetryRule, delivery: Delivery): SettlingMethods {
  const { receipt, attempt } = delivery;
  const source = { kind: 'message', agent } as const;
  const held = { id: delivery.id, type: delivery.type, receipt, attempt, source, heldAt: performance.now() };
  const settle = (settlement: Settlement): Promise<unknown> => settleOne(runtime, held, settlement);
  let parts = 0;
  return {
    ack: () => settle({ receipt, action: 'ack' }).then(() => undefined),
    async retry(options) {
      checkOptions(options, ['delayMs', 'reason'], 'retry options');
      checkDuration(options?.delayMs, 'delayMs', { min: 0, max: MAX_DURATION_MS });
      checkText(options?.reason, 'reason', 2000);
      const { delayMs = retryAfter(rule, attempt, undefined), reason } = options ?? {};
      if (delayMs === 'reject') await settle({ receipt, action: 'reject', reason });
      else await settle({ receipt, action: 'retry', delayMs, reason });
    },
    async reject(reason) {
      checkText(reason, 'reason', 2000);
      await settle({ receipt, action: 'reject', reason });
    },
    release: (options) => releaseOne(runtime, held, options),
    async extend(options) {
      await settle({ receipt, action: 'extend', leaseMs: leaseOf(options) });
    },
    async reply(body, options) {
      checkOptions(options, ['final'], 'reply options');
      checkBoolean(options?.final, 'final');
      if (delivery.replyTo === undefined) {
        throw invalid('no requester waits for a reply to this message', 'Send a message to its sender instead.');
      }
      const isFinal = options?.final ?? true;
      parts += 1;
      const place = isFinal ? 'end' : String(parts);
      const reply = await toReply(runtime.bodyCodec, isFinal ? 'final' : 'part', body);
      await sendReply(runtime, agent, delivery, reply, place);
    },
  };
}
