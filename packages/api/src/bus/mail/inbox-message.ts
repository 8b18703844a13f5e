/** Mail that is taken by hand instead of by a handler: for shells and loops of one's own. */

import { BusbarError, invalid, toBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import type { Settlement } from '../../contract/transport.ts';
import { checkBoolean, checkDuration, checkOptions, checkText, MAX_DURATION_MS } from '../../contract/validation.ts';
import { backoffMs, type CompleteRetry } from '../consuming/backoff.ts';
import { reasonOf } from '../consuming/failure.ts';
import { type ReceivedMessage, toReceived } from '../consuming/received.ts';
import { toReply } from '../requests/replies.ts';
import type { BusRuntime } from '../runtime.ts';
import { sendReply } from './inbox.ts';

/** How to retry. */
export interface RetryOptions {
  /** When, 0 or more. Default: by the retry policy of the agent. */
  readonly delayMs?: number | undefined;
  /** Why, at most 2,000 characters. */
  readonly reason?: string | undefined;
}

/** Mail under a lease. Settle it before the lease ends; methods reject with LEASE_LOST after that. */
export interface InboxMessage<T = unknown> extends ReceivedMessage<T> {
  /** Settles it from another process too, where the transport has portable receipts. */
  readonly receipt: string;
  /** How long the lease had left when it was taken. */
  readonly leaseLeftMs: number;
  /** Whether somebody waits for a reply. */
  readonly wantsReply: boolean;
  /** Handled: it is gone. */
  ack(): Promise<void>;
  /** Retries it later; after the last attempt it becomes a dead letter. */
  retry(options?: RetryOptions): Promise<void>;
  /** Never try again: a dead letter. */
  reject(reason?: string): Promise<void>;
  /** Give it back unhandled, the attempt uncounted. */
  release(): Promise<void>;
  /** Renews the lease in full. */
  extend(): Promise<void>;
  /** Answers who asked: with `final` (default true) the answer, else a part of it. Ack it after the answer. */
  reply(body: unknown, options?: { readonly final?: boolean | undefined }): Promise<void>;
}

/** Bad mail becomes a dead letter at once; then there is no message. */
export async function toInboxMessage(
  runtime: BusRuntime,
  agent: string,
  policy: CompleteRetry,
  delivery: Delivery,
): Promise<InboxMessage | undefined> {
  const { receipt, leaseLeftMs, replyTo } = delivery;
  try {
    const received = toReceived(runtime.bodyCodec, delivery);
    return {
      ...received,
      receipt,
      leaseLeftMs,
      wantsReply: replyTo !== undefined,
      ...verbs(runtime, agent, policy, delivery),
    };
  } catch (error) {
    runtime.report(error, `inbox ${agent}`);
    await runtime.leases.settleNow({ receipt, action: 'reject', reason: reasonOf(toBusbarError(error)) });
    return undefined;
  }
}

type InboxVerbs = Pick<InboxMessage, 'ack' | 'retry' | 'reject' | 'release' | 'extend' | 'reply'>;

function verbs(runtime: BusRuntime, agent: string, policy: CompleteRetry, delivery: Delivery): InboxVerbs {
  const { receipt, attempt } = delivery;
  let parts = 0;
  return {
    ack: () => settle(runtime, { receipt, action: 'ack' }),
    async retry(options) {
      checkOptions(options, ['delayMs', 'reason'], 'retry options');
      checkDuration(options?.delayMs, 'delayMs', { min: 0, max: MAX_DURATION_MS });
      checkText(options?.reason, 'reason', 2000);
      const { delayMs = backoffMs(policy, attempt), reason } = options ?? {};
      await settle(runtime, { receipt, action: 'retry', delayMs, ...(reason === undefined ? {} : { reason }) });
    },
    async reject(reason) {
      checkText(reason, 'reason', 2000);
      await settle(runtime, { receipt, action: 'reject', ...(reason === undefined ? {} : { reason }) });
    },
    release: () => settle(runtime, { receipt, action: 'release' }),
    extend: () => settle(runtime, { receipt, action: 'extend' }),
    async reply(body, options) {
      checkOptions(options, ['final'], 'reply options');
      checkBoolean(options?.final, 'final');
      if (delivery.replyTo === undefined) {
        throw invalid('nobody waits for a reply to this message', 'Send mail to its from instead.');
      }
      const isFinal = options?.final ?? true;
      parts += 1;
      const reply = toReply(runtime.bodyCodec, isFinal ? 'final' : 'part', body);
      await sendReply(runtime, agent, delivery, reply, isFinal ? 'end' : String(parts));
    },
  };
}

async function settle(runtime: BusRuntime, settlement: Settlement): Promise<void> {
  const [result] = await runtime.transport.queues.settle([settlement]);
  if (result?.status === 'done') return;
  if (result?.status === 'lease-lost') {
    throw new BusbarError('LEASE_LOST', 'the lease of the message had ended, or it was settled already', {
      hint: 'It is delivered again unless it was settled; extend it in time.',
    });
  }
  throw new BusbarError('UNAVAILABLE', 'it is not known whether the message was settled', { outcome: 'unknown' });
}
