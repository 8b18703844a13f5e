/** Inspection, operation and migration of a transport. */

import type { CallOptions } from './call-options.ts';
import type { Gate, GateState } from './gate.ts';
import type { ListOptions } from './kv.ts';
import type { AttemptRecord, Message } from './message.ts';
import type { QueueSettings } from './queues.ts';

/** Inspection, operation and migration. It does not disturb consumers. */
export interface Admin {
  /** Queues by name, or all whose name starts with `prefix`, in order of name; up to `limit` (default and most 1,000) after `after`. */
  queues(options?: QueuesOptions): Promise<QueueInfo[]>;
  /** Topics that have history or bindings, in order of name. */
  topics(options?: ListOptions): Promise<TopicInfo[]>;
  bindings(options?: CallOptions): Promise<Binding[]>;
  /**
   * Reads messages without leasing them, in delivery order (dead letters: oldest first). An unknown queue has none.
   * Several messages can have one id: events of bound topics, or a message that was sent again after its window.
   */
  browse(queue: string, options?: BrowseOptions): Promise<BrowsePage>;
  /**
   * Returns dead letters to the queue, even if it is full: with the same ids and history, fresh attempts and their full TTL.
   * Oldest first: all, or those with `ids`, up to `limit` (default 1,000).
   */
  redrive(queue: string, options?: SelectOptions): Promise<number>;
  /** Deletes messages of one state (`leased` is refused): all of them, or those with `ids`. */
  purge(queue: string, options: PurgeOptions): Promise<number>;
  /** Cancels messages that were not started. They are deleted without a dead letter. Dedupe still knows their ids. */
  cancel(queue: string, ids: readonly string[], options?: CallOptions): Promise<PendingResult[]>;
  /** Sets the delay of messages that were not started; 0 makes them ready now, behind the others of their priority. */
  reschedule(queue: string, ids: readonly string[], delayMs: number, options?: CallOptions): Promise<PendingResult[]>;
  /** Deletes a queue with its messages, dead letters, settings and bindings. Its leases are lost. Resolves with whether it existed. */
  deleteQueue(queue: string, options?: CallOptions): Promise<boolean>;
  /**
   * Deletes everything in the namespace, for tests. Existing leases become stale, pending receives keep waiting, and watchers
   * see a deletion for each key. The gate stays as it is.
   */
  clear(options?: GatedCallOptions): Promise<void>;
  /** Exports everything as records (rule RA7); as a consistent snapshot if the backend can make one. Delays count from one moment. */
  exportState(options?: CallOptions): AsyncIterable<StateRecord>;
  /** Imports records. Idempotent: existing messages, keys and queues stay unchanged. Resolves with the number of new records. */
  importState(records: AsyncIterable<StateRecord> | Iterable<StateRecord>, options?: GatedCallOptions): Promise<number>;
  /** The gate of the store, which says whether it accepts writes (rule RA8). Calls and ephemeral events store nothing and ignore it. */
  gate(options?: CallOptions): Promise<Gate>;
  /**
   * Changes the gate by compare and set, and resolves with the new one. The same state again renews its time. After it
   * resolves with `closed`, no call that was under way takes effect: each one checks the gate together with its effect.
   * `open` leads to `draining` or `closed`, `draining` to `closed` or `open`, `closed` to `moved` or `open`, `moved` to
   * `closed`. Without a renewal `draining` and `closed` fall back to `open`, after `moved` to `moved`.
   */
  setGate(state: GateState, options: SetGateOptions): Promise<Gate>;
}

/** A change of the gate. */
export interface SetGateOptions extends CallOptions {
  /** The present revision of the gate, from {@link Gate}. With another one the call rejects with CONFLICT. */
  readonly ifRevision: number;
  /** Required for `moved`: where the bus is, such as a URL without its password. 1 to 1,024 characters. */
  readonly movedTo?: string | undefined;
  /** Of `draining` and `closed`: how long the state lasts without a renewal, 100 to 60,000. Default 10,000. */
  readonly ttlMs?: number | undefined;
}

/** Bounds of a call that a move makes in a store that is closed for all others. */
export interface GatedCallOptions extends CallOptions {
  /** The call is accepted in every state of the gate, but only at this revision. With another one it rejects with CONFLICT. */
  readonly gateRevision?: number | undefined;
}

export interface QueuesOptions extends CallOptions {
  readonly names?: readonly string[] | undefined;
  readonly prefix?: string | undefined;
  readonly limit?: number | undefined;
  readonly after?: string | undefined;
}

/** A queue at one moment. */
export interface QueueInfo {
  readonly name: string;
  readonly settings: Required<QueueSettings>;
  readonly ready: number;
  readonly delayed: number;
  readonly leased: number;
  readonly dead: number;
  /** The age of the oldest ready message; 0 if none is ready. */
  readonly oldestAgeMs: number;
  /** Since the queue was created. `done` counts acks, `expired` messages whose TTL ended. */
  readonly totals: { readonly sent: number; readonly done: number; readonly dead: number; readonly expired: number };
}

export interface TopicInfo {
  readonly name: string;
  readonly events: number;
}

export interface Binding {
  readonly queue: string;
  readonly pattern: string;
}

export type MessageState = 'ready' | 'delayed' | 'leased' | 'dead';

export interface BrowseOptions extends CallOptions {
  /** Default: all states. */
  readonly state?: MessageState | undefined;
  /** Only messages of this type, 1 to 255 characters. Then a page can have fewer than `limit` messages, or none, though more follow. */
  readonly type?: string | undefined;
  /** Only these messages, at most 1,000. */
  readonly ids?: readonly string[] | undefined;
  /** Default 100, at most 1,000. */
  readonly limit?: number | undefined;
  /** The `next` of the previous page. */
  readonly after?: string | undefined;
}

export interface BrowsePage {
  readonly messages: readonly BrowsedMessage[];
  /** The `after` of the next page, valid even if the messages of this page are gone; undefined after the last. */
  readonly next: string | undefined;
}

/** A message for operators. */
export interface BrowsedMessage {
  readonly message: Message;
  readonly state: MessageState;
  /** The number of its leases, including the present one. */
  readonly attempts: number;
  /** Of a delayed message. */
  readonly delayLeftMs: number | undefined;
  /** Of a leased message. */
  readonly leaseLeftMs: number | undefined;
  readonly consumer: string | undefined;
  readonly ttlLeftMs: number | undefined;
  /** Its last 20 ended attempts, oldest first. */
  readonly history: readonly AttemptRecord[];
  /**
   * Of a dead letter: the reason, and when it died (milliseconds since 1970). Without a reason of the consumer it is
   * `rejected`, `attempts used up` or `the lease of the last attempt ended`.
   */
  readonly dead: { readonly reason: string; readonly at: number } | undefined;
}

export interface SelectOptions extends CallOptions {
  readonly ids?: readonly string[] | undefined;
  readonly limit?: number | undefined;
}

export interface PurgeOptions extends CallOptions {
  readonly state: Exclude<MessageState, 'leased'>;
  readonly ids?: readonly string[] | undefined;
}

/**
 * The result of a cancellation or rescheduling, which concerns all messages of the queue with this id. `done`: at least one
 * was changed. `started`: consumers have them, or they are dead letters.
 */
export interface PendingResult {
  readonly id: string;
  readonly status: 'done' | 'started' | 'not-found';
}

/**
 * One record of exported state. Bytes are base64, the rest is plain JSON, so a record can be a line of a file. An import
 * also reads values that JSON has changed, such as null for Infinity. Leased messages are exported as ready.
 */
export type StateRecord =
  | {
      readonly kind: 'queue';
      readonly name: string;
      readonly settings: Required<QueueSettings>;
      readonly totals: QueueInfo['totals'];
    }
  | { readonly kind: 'message'; readonly queue: string; readonly message: ExportedMessage }
  | { readonly kind: 'dedupe'; readonly queue: string; readonly id: string; readonly leftMs: number }
  | { readonly kind: 'binding'; readonly queue: string; readonly pattern: string }
  | { readonly kind: 'event'; readonly topic: string; readonly message: ExportedMessage }
  | {
      readonly kind: 'kv';
      readonly key: string;
      readonly valueBase64: string;
      readonly revision: number;
      readonly createRevision: number;
      readonly ttlLeftMs: number | undefined;
    }
  /** The highest revision so far. Revisions after an import are higher. */
  | { readonly kind: 'revision'; readonly highest: number };

/** A message in an export: like {@link BrowsedMessage}, with the body as base64. */
export interface ExportedMessage extends Omit<BrowsedMessage, 'message' | 'leaseLeftMs' | 'consumer'> {
  readonly message: Omit<Message, 'body'>;
  readonly bodyBase64: string;
  readonly maxAttempts: number | undefined;
  /** The whole time to live, as sent: it starts again when a dead letter is redriven. */
  readonly ttlMs: number | undefined;
}
