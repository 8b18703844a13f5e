/** The queues of a transport. */

import type { CallOptions } from './call-options.ts';
import type { BusbarError } from './errors.ts';
import type { KvPut } from './kv.ts';
import type { Delivery, MessageInput } from './message.ts';

/** Queues: each message is delivered to one consumer at a time, at least once, until it is settled (rules RQ1-RQ10). */
export interface Queues {
  /**
   * Stores messages in `queue`, creating it if needed. With `create: false` an unknown queue rejects with NOT_FOUND.
   * Resolves with one result per message, in order. The batch is not atomic: messages that exceed `maxLength` fail with
   * BACKPRESSURE. A frozen queue rejects the whole call with CONFLICT.
   */
  send(queue: string, messages: readonly MessageInput[], options?: SendOptions): Promise<SendResult[]>;
  /**
   * Leases up to `max` messages: strictly by priority, then first in, first out. A delayed message enters the queue when it
   * is due; delayed messages enter in the order of their due times. Resolves as soon as one message is ready, or with none
   * after `waitMs`; it never waits for a full batch. A missing queue is like an empty one. Waiting counts as use of the
   * queue. An aborted receive has leased nothing when it rejects, or releases it at once.
   */
  receive(queue: string, options?: ReceiveOptions): Promise<Delivery[]>;
  /**
   * Settles deliveries. One result each, in order. A transport never repeats a settlement with an unknown outcome (rule RQ3).
   * The entry of a settlement is put with it, without a condition, if and only if the settlement takes effect. If the store
   * has no room for the entries, the call rejects with BACKPRESSURE and settles nothing.
   */
  settle(settlements: readonly Settlement[], options?: CallOptions): Promise<SettleResult[]>;
  /** Creates `queue` if needed and sets the given settings. Other settings stay unchanged. */
  configure(queue: string, settings?: QueueSettings, options?: CallOptions): Promise<void>;
}

export interface SendOptions extends CallOptions {
  /** Whether to create an unknown queue. Default true. */
  readonly create?: boolean | undefined;
}

/** The result of one message. */
export interface SendResult {
  readonly id: string;
  /** `duplicate`: a message with this id was sent within the dedupe window before; nothing was stored now. */
  readonly status: 'stored' | 'duplicate' | 'failed' | 'unknown';
  /** The error of `failed` and `unknown`. */
  readonly error?: BusbarError;
}

export interface ReceiveOptions {
  /** 1 to 1,000. Default 1. */
  readonly max?: number | undefined;
  /** How long to wait for a message: 0 (default) or more, Infinity for no limit. */
  readonly waitMs?: number | undefined;
  /**
   * How long it may take beyond `waitMs`, while the store is locked or the server is away. Then it rejects with TIMEOUT.
   * Default 30,000, without `waitMs` 10,000, and no longer than `callTimeoutMs` of the transport.
   */
  readonly timeoutMs?: number | undefined;
  /** The name of the consumer, for operators and the history of dead letters. At most 255 characters. */
  readonly consumer?: string | undefined;
  /** Whether the process stays alive while it waits. Default true. */
  readonly keepsAlive?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Settles one delivery. */
export type Settlement =
  /** Handled: deletes the message. */
  | { readonly receipt: string; readonly action: 'ack'; readonly entry?: KvPut | undefined }
  /**
   * Retries after `delayMs` (default 0, which keeps its place). After the last attempt it becomes a dead letter instead; only
   * then the entry is put.
   */
  | {
      readonly receipt: string;
      readonly action: 'retry';
      readonly delayMs?: number | undefined;
      readonly reason?: string | undefined;
      readonly entry?: KvPut | undefined;
    }
  /** Makes it a dead letter. `BrowsedMessage.dead` has `reason`, or `rejected` without one or with an empty one. */
  | {
      readonly receipt: string;
      readonly action: 'reject';
      readonly reason?: string | undefined;
      readonly entry?: KvPut | undefined;
    }
  /** Not handled: returns it to the queue after `delayMs` (default 0, which keeps its place). The attempt does not count. */
  | {
      readonly receipt: string;
      readonly action: 'release';
      readonly delayMs?: number | undefined;
      readonly entry?: undefined;
    }
  /** Still running: from now on the lease lasts `leaseMs`. Default: that of the queue, the full lease. */
  | {
      readonly receipt: string;
      readonly action: 'extend';
      readonly leaseMs?: number | undefined;
      readonly entry?: undefined;
    };

/** The result of one settlement. */
export interface SettleResult {
  readonly receipt: string;
  /** `lease-lost`: the lease had ended or the receipt was used. Nothing changed. */
  readonly status: 'done' | 'lease-lost' | 'unknown';
  /** After `extend`: how long the lease lasts. */
  readonly leaseLeftMs?: number;
}

/** Settings of a queue. */
export interface QueueSettings {
  /** How long a lease lasts, 50 to 43,200,000 (12 h). Default 30,000. */
  readonly leaseMs?: number;
  /**
   * The most messages (ready, delayed and leased) after a send, 1 to 2^31-1. Events of its bindings and redriven messages
   * enter a full queue. Default 1,000,000, or a default of the backend (memory: 100,000).
   */
  readonly maxLength?: number;
  /** The attempts of messages without their own `maxAttempts`, 1 to 1,000. Default 5. */
  readonly maxAttempts?: number;
  /** The dedupe window of ids, 120,000 (2 min) to 604,800,000 (7 d). Default 120,000. */
  readonly dedupeMs?: number;
  /**
   * The queue is deleted with its bindings after this time without a send, a receive or a wait. 1,000 or more, Infinity
   * (default) for never. While a receive waits on it, it stays.
   */
  readonly expireIdleMs?: number;
  /** Sends reject with CONFLICT. Events of its bindings still enter, receiving and settling go on. Default false. */
  readonly frozen?: boolean;
  /** Nothing is claimed: receives wait, and leases that are held go on. Sends and events enter as usual. Default false. */
  readonly paused?: boolean;
  /** How long dead letters are kept, 1,000 or more, Infinity for no limit. Default 2,592,000,000 (30 d). */
  readonly deadTtlMs?: number;
}
