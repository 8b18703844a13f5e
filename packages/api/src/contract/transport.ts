/**
 * The contract of a transport. Its comments are the specification; the conformance suite holds every backend to it.
 *
 * What holds for every method:
 * - Arguments are checked before any effect; bad ones reject with INVALID_ARGUMENT (PAYLOAD_TOO_LARGE for a body).
 * - Results are stored as durably as {@link Capabilities.durability} says when the promise resolves.
 * - Calls may overlap. Those of one turn of the event loop may share a transaction or a round trip, and none fails for
 *   another's fault. Calls on one queue or topic take effect in the order in which they were made.
 * - While the server is away a call waits for it up to its `timeoutMs`, then rejects with UNAVAILABLE.
 * - After {@link Transport.close} began, calls reject with CLOSED; settling what was received still works until it ends.
 * - Bytes that the caller hands over are copied before the call returns; bytes it gets are its own.
 */

import type { Capabilities } from './capabilities.ts';
import type { BusbarError } from './errors.ts';
import type { AttemptRecord, Delivery, Message, MessageInput, TopicEvent } from './message.ts';

/** Bounds of one call. */
export interface CallOptions {
  /** The call rejects with TIMEOUT after this time. Default 30,000; Infinity for none. */
  readonly timeoutMs?: number | undefined;
  /** The call rejects with ABORTED when it fires. */
  readonly signal?: AbortSignal | undefined;
}

/** A backend, opened. Everything users enjoy is built over it. */
export interface Transport extends AsyncDisposable {
  /** What kind it is, such as `sqlite`. */
  readonly name: string;
  readonly capabilities: Capabilities;
  /** What of the store's settings an operator should know, such as that messages may be lost; `busbar doctor` shows it. */
  readonly warnings?: readonly Warning[];
  readonly state: TransportState;
  /** Calls `listener` at each change of state, in order. Returns what ends that. */
  onState(listener: (change: StateChange) => void): () => void;
  readonly queues: Queues;
  readonly topics: Topics;
  readonly kv: KeyValue;
  readonly admin: Admin;
  /** The fast path of requests, where {@link Features.calls} is declared. */
  readonly calls?: Calls;
  /**
   * Ends the transport (rule RA3): new calls and waits reject with CLOSED at once, calls under way finish, leases held
   * may be settled for `drainMs` and are then released. Idempotent: a second call gets the promise of the first.
   */
  close(options?: TransportCloseOptions): Promise<void>;
}

/** Something that an operator should know of a store, in one sentence, and what to do about it. */
export interface Warning {
  readonly text: string;
  readonly hint: string;
}

/** `reconnecting`: the server is away and is being looked for. */
export type TransportState = 'open' | 'reconnecting' | 'closing' | 'closed';

/** A change of state, with the error that caused it. */
export interface StateChange {
  readonly state: TransportState;
  readonly error?: BusbarError;
}

/** How to end a transport. */
export interface TransportCloseOptions {
  /** How long held leases may still be settled, 0 to 2^31-1. Default 0. */
  readonly drainMs?: number | undefined;
  /** `release` (default): give back what is still leased. `keep`: leave it to its lease, for another process to settle. */
  readonly leases?: 'release' | 'keep' | undefined;
}

// ---------------------------------------------------------------------------------------------------------- queues

/** Queues: each message goes to one consumer at a time, at least once, until it is settled (rules RQ1-RQ10). */
export interface Queues {
  /**
   * Stores messages in `queue`, which comes to be by it unless `create` is false (then: NOT_FOUND). Resolves with one
   * result each, in order; the batch is not atomic. A full queue fails the messages that do not fit, with BACKPRESSURE.
   * Rejects as a whole with CONFLICT when the queue is frozen.
   */
  send(queue: string, messages: readonly MessageInput[], options?: SendOptions): Promise<SendResult[]>;
  /**
   * Leases up to `max` messages to the caller: strictly by priority, then first in first out; what was delayed comes in
   * when it is due, in the order in which it came due, whatever the order in which it was sent. Resolves as soon as one is
   * there, or with none after `waitMs`; it never waits to fill. A queue that does not exist yet is waited for like an
   * empty one; a wait counts as use of the queue. A receive that is aborted has leased nothing when it rejects, or gives it back at once.
   */
  receive(queue: string, options?: ReceiveOptions): Promise<Delivery[]>;
  /** Settles deliveries, one result each, in order. Never repeated by a transport when its outcome is unknown (rule RQ3). */
  settle(settlements: readonly Settlement[], options?: CallOptions): Promise<SettleResult[]>;
  /** Creates `queue` where it is not there, and sets the given settings; those not given stay as they are. */
  configure(queue: string, settings?: QueueSettings, options?: CallOptions): Promise<void>;
}

export interface SendOptions extends CallOptions {
  /** Whether an unknown queue is created. Default true. */
  readonly create?: boolean | undefined;
}

/** What became of one message that was sent. */
export interface SendResult {
  readonly id: string;
  /** `duplicate`: the id was sent within the dedupe window before, and nothing was stored now. */
  readonly status: 'stored' | 'duplicate' | 'failed' | 'unknown';
  /** Why, where it is `failed` or `unknown`. */
  readonly error?: BusbarError;
}

export interface ReceiveOptions {
  /** 1 to 1,000. Default 1. */
  readonly max?: number | undefined;
  /** How long to wait for a message: 0 (default) or more, Infinity for ever. */
  readonly waitMs?: number | undefined;
  /** Who receives: shown to operators and kept in the history of a dead letter. At most 255 characters. */
  readonly consumer?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a consumer says of a delivery it holds. */
export type Settlement =
  /** Handled: the message is gone. */
  | { readonly receipt: string; readonly action: 'ack' }
  /** Try again after `delayMs` (default 0, which keeps its place); the last attempt makes a dead letter instead. */
  | {
      readonly receipt: string;
      readonly action: 'retry';
      readonly delayMs?: number | undefined;
      readonly reason?: string | undefined;
    }
  /** Never try again: it becomes a dead letter. {@link BrowsedMessage.dead} has `reason`; without one it says `rejected`. */
  | { readonly receipt: string; readonly action: 'reject'; readonly reason?: string | undefined }
  /** Not started: give it back at once, the attempt uncounted. */
  | { readonly receipt: string; readonly action: 'release' }
  /** Still at work: renew the lease in full. */
  | { readonly receipt: string; readonly action: 'extend' };

/** What became of one settlement. */
export interface SettleResult {
  readonly receipt: string;
  /** `lease-lost`: the lease had ended or the receipt was used; nothing was changed. */
  readonly status: 'done' | 'lease-lost' | 'unknown';
  /** After `extend`: how long the lease lasts now. */
  readonly leaseLeftMs?: number;
}

/** How a queue behaves. */
export interface QueueSettings {
  /** How long a lease lasts, 50 to 43,200,000 (12 h). Default 30,000. */
  readonly leaseMs?: number;
  /**
   * How many messages (ready, delayed and leased) a send may fill it to, 1 to 2^31-1; events of its bindings and redriven
   * messages enter a full queue. Default 1,000,000, or what the backend says (memory: 100,000).
   */
  readonly maxLength?: number;
  /** Attempts of messages that do not say it themselves, 1 to 1,000. Default 5. */
  readonly maxAttempts?: number;
  /** How long an id is remembered, 120,000 (2 min) to 604,800,000 (7 d). Default 120,000. */
  readonly dedupeMs?: number;
  /**
   * The queue goes by itself, its bindings with it, when nobody sent, received or waited for this long; 1,000 or more,
   * Infinity (default) for never. While somebody waits on it, it stays.
   */
  readonly expireIdleMs?: number;
  /** Sends reject with CONFLICT; events of its bindings, receiving and settling go on. Default false. */
  readonly frozen?: boolean;
  /** How long a dead letter is kept, 1,000 or more, Infinity for ever. Default 2,592,000,000 (30 d). */
  readonly deadTtlMs?: number;
}

// ---------------------------------------------------------------------------------------------------------- topics

/** Topics: each event goes to every subscriber; a log with positions (rules RT1-RT6). */
export interface Topics {
  /**
   * Appends events to the log and to every bound queue, or, when `ephemeral`, hands them to whoever listens now.
   * Resolves with one result each, in order. Priority, delay and time to live act only in bound queues. An id is stored
   * once per topic within 2 minutes, unless the options of the backend say otherwise. A bound queue takes an event also
   * when it is full or frozen.
   */
  publish(topic: string, messages: readonly MessageInput[], options?: PublishOptions): Promise<PublishResult[]>;
  /**
   * Gives every event that matches `pattern` to `onEvents`, in batches of up to `max`, in order, one call at a time; its
   * promise is the credit. Once resolved, the next publish is seen. Resumes by itself, with no gap and no duplicate.
   */
  subscribe(pattern: string, options: TopicSubscribeOptions, onEvents: OnEvents): Promise<TopicSubscription>;
  /**
   * Feeds `queue` (created where it is not there) with every event that matches, from when this resolves: each event once,
   * however many bindings of the queue match it and however far back they begin (rule RT5).
   */
  bind(queue: string, pattern: string, options?: BindOptions): Promise<void>;
  /** Ends a binding; what is in the queue stays. Nothing happens where there is none. */
  unbind(queue: string, pattern: string, options?: CallOptions): Promise<void>;
}

export interface PublishOptions extends CallOptions {
  /** Not stored, no position, at most once; bound queues do not get it. Default false. */
  readonly ephemeral?: boolean | undefined;
}

/** What became of one event that was published. A duplicate has the position of the first. */
export interface PublishResult extends SendResult {
  /** Where it stands in the log: opaque, at most 512 bytes. Undefined for an ephemeral event. */
  readonly position?: string;
}

/**
 * Where to begin in a log: with what comes next, with the oldest that is kept, after a position, or with the first event
 * of a time or later (a time still to come is like `new`). A position that retention overtook rejects with POSITION_EXPIRED, a foreign one with INVALID_ARGUMENT.
 */
export type From = 'new' | 'start' | { readonly after: string } | { readonly time: number };

export interface TopicSubscribeOptions extends CallOptions {
  /** Default `new`. Ephemeral events are delivered whatever it is. */
  readonly from?: From | undefined;
  /** Events in one call of the handler at most, 1 to 1,000. Default 256. */
  readonly max?: number | undefined;
}

export interface BindOptions extends CallOptions {
  /** Default `new`. History follows in bounded steps after this resolved. */
  readonly from?: From | undefined;
}

/** Takes a batch of events. The next batch comes when its promise resolves; a rejection ends the subscription with it. */
export type OnEvents = (events: readonly TopicEvent[]) => void | Promise<void>;

/** A live subscription. */
export interface TopicSubscription extends AsyncDisposable {
  /** Resolves once it is over: with the error that ended it, or undefined after {@link TopicSubscription.close}. Never rejects. */
  readonly ended: Promise<BusbarError | undefined>;
  /**
   * Where it stands: subscribing with `{ after: position }` goes on behind the last event handled. It moves on over events
   * that do not match, so that a subscriber to rare ones is not overtaken by retention.
   */
  readonly position: string | undefined;
  /** How many ephemeral events were dropped because the handler was slower than they came. */
  readonly dropped: number;
  /** Ends it; resolves when the handler's last call is over. */
  close(): Promise<void>;
}

// --------------------------------------------------------------------------------------------------------- entries

/** Entries: small values with a revision and a time to live (rules RE1, RE2). */
export interface KeyValue {
  get(key: string, options?: CallOptions): Promise<KvEntry | undefined>;
  /** Sets a value, at most 64 KiB. With `ifRevision` only where that is its revision now; 0 = only where there is none. */
  put(key: string, value: Uint8Array, options?: PutOptions): Promise<PutResult>;
  /** Renews TTLs, one result each; `createRevision` says whose entry it must still be. Watchers do not see it. */
  touch(touches: readonly KvTouch[], options?: CallOptions): Promise<TouchResult[]>;
  delete(key: string, options?: DeleteOptions): Promise<DeleteResult>;
  /** Entries whose key starts with `prefix`, in the order of their keys' UTF-8 bytes; up to `limit` (default and most 1,000) after key `after`. */
  list(prefix: string, options?: ListOptions): Promise<KvEntry[]>;
  /**
   * Gives `onChanges` the present entries, then `synced`, then each change: the newest state per key, no revision twice.
   * One call at a time, its promise is the credit; changes of a key that came meanwhile are merged into the newest.
   */
  watch(prefix: string, onChanges: OnKvChanges, options?: CallOptions): Promise<KvWatch>;
}

/** A value as it stands. */
export interface KvEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Rises with every put of the key, for ever, over deletion and restarts. */
  readonly revision: number;
  /** The revision at which the entry came to be. It rises from holder to holder: it is the fencing token. */
  readonly createRevision: number;
  /** How long it has to live; undefined when it does not expire. */
  readonly ttlLeftMs: number | undefined;
}

export interface PutOptions extends CallOptions {
  /** Gone after this time, 1 or more. Default: never; a put without it makes the entry lasting. */
  readonly ttlMs?: number | undefined;
  readonly ifRevision?: number | undefined;
}

/** A conflict is a result, not an error: it has the entry that stands in the way, undefined where there is none. */
export type PutResult =
  | { readonly status: 'stored'; readonly revision: number; readonly createRevision: number }
  | { readonly status: 'conflict'; readonly current: KvEntry | undefined };

export interface KvTouch {
  readonly key: string;
  /** 1 or more. */
  readonly ttlMs: number;
  readonly createRevision?: number | undefined;
}

export interface TouchResult {
  readonly key: string;
  /** `lost`: there is no such entry, or it is another's by now. */
  readonly status: 'touched' | 'lost';
}

export interface DeleteOptions extends CallOptions {
  readonly ifRevision?: number | undefined;
}

/** `absent`: there was none. `conflict`: its revision is another. */
export interface DeleteResult {
  readonly status: 'deleted' | 'absent' | 'conflict';
}

export interface ListOptions extends CallOptions {
  readonly limit?: number | undefined;
  readonly after?: string | undefined;
}

/** What a watcher is told. */
export type KvChange =
  | { readonly kind: 'put'; readonly entry: KvEntry }
  | { readonly kind: 'deleted' | 'expired'; readonly key: string; readonly revision: number }
  | { readonly kind: 'synced' };

export type OnKvChanges = (changes: readonly KvChange[]) => void | Promise<void>;

/** A live watch; like {@link TopicSubscription}. */
export interface KvWatch extends AsyncDisposable {
  readonly ended: Promise<BusbarError | undefined>;
  close(): Promise<void>;
}

// ----------------------------------------------------------------------------------------------------------- calls

/** The fast path of requests: nothing is stored, at most once. */
export interface Calls {
  /**
   * Answers calls to `address`, up to `max` at a time (1 to 10,000, default 16); further ones wait. Several servers of
   * one address share its calls. What the handler yields goes back in order; what it throws reaches the caller as
   * HANDLER_FAILED. `signal` fires when the caller has gone or its time is up.
   */
  serve(address: string, options: ServeOptions, handler: CallHandler): Promise<Service>;
  /**
   * Calls one server of `address`. Yields its replies; at most 64 are on the way to a slow reader. Rejects with
   * NO_RESPONDER where nobody serves, TIMEOUT after `timeoutMs` (which travels with the call), CLOSED when either side
   * closes. Leaving the loop early tells the server.
   */
  call(address: string, message: MessageInput, options?: CallOptions): AsyncIterable<Message>;
}

export interface ServeOptions {
  readonly max?: number | undefined;
}

export type CallHandler = (message: Message, signal: AbortSignal) => AsyncIterable<MessageInput>;

/** A server of calls. `close` takes no more, and resolves when those under way are over. */
export interface Service extends AsyncDisposable {
  close(): Promise<void>;
}

// ----------------------------------------------------------------------------------------------------------- admin

/** What operators, inspection and migration need. None of it disturbs consumers. */
export interface Admin {
  /** Queues by name, or all whose name starts with `prefix`, in order of name; up to `limit` (default and most 1,000) after `after`. */
  queues(options?: QueuesOptions): Promise<QueueInfo[]>;
  /** Topics that have history or bindings, in order of name. */
  topics(options?: ListOptions): Promise<TopicInfo[]>;
  bindings(options?: CallOptions): Promise<Binding[]>;
  /** Looks at messages without leasing them, in delivery order (dead letters: oldest first). An unknown queue has none. */
  browse(queue: string, options?: BrowseOptions): Promise<BrowsePage>;
  /**
   * Puts dead letters back, also into a full queue: with the same id, their history, fresh attempts and the whole of their
   * time to live. Oldest first: all, or those with `ids`, up to `limit` (default 1,000).
   */
  redrive(queue: string, options?: SelectOptions): Promise<number>;
  /** Deletes messages of one state (`leased` is refused): all of them, or those with `ids`. */
  purge(queue: string, options: PurgeOptions): Promise<number>;
  /** Takes messages back that were not started. They are gone and leave no dead letter; their ids stay known to dedupe. */
  cancel(queue: string, ids: readonly string[], options?: CallOptions): Promise<PendingResult[]>;
  /** Sets when messages that were not started come due; 0 makes them ready now. */
  reschedule(queue: string, ids: readonly string[], delayMs: number, options?: CallOptions): Promise<PendingResult[]>;
  /** Deletes a queue with its messages, dead letters, settings and bindings. False where there was none. Leases on it are lost. */
  deleteQueue(queue: string, options?: CallOptions): Promise<boolean>;
  /** Deletes everything in the namespace of this transport: for tests and throw-away namespaces. Leases and waits go on as if nothing had ever been, watchers are told of each deletion. */
  clear(options?: CallOptions): Promise<void>;
  /** Everything there is, as records (rule RA7): a consistent cut where the backend can make one. */
  exportState(options?: CallOptions): AsyncIterable<StateRecord>;
  /** Takes records in. Idempotent: what is there already, by id, key or name, stays as it is. Resolves with how many were new. */
  importState(records: AsyncIterable<StateRecord> | Iterable<StateRecord>, options?: CallOptions): Promise<number>;
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
  /** How long the oldest ready message has been there; 0 when none is ready. */
  readonly oldestAgeMs: number;
  /** Since the queue came to be. `done` counts acks, `expired` messages whose time to live ran out. */
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
  /** Only these messages, at most 1,000. */
  readonly ids?: readonly string[] | undefined;
  /** Default 100, at most 1,000. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly after?: string | undefined;
}

export interface BrowsePage {
  readonly messages: readonly BrowsedMessage[];
  /** Where the next page begins, also when the messages of this one are gone by then; undefined after the last. */
  readonly next: string | undefined;
}

/** A message as an operator sees it. */
export interface BrowsedMessage {
  readonly message: Message;
  readonly state: MessageState;
  /** Leases it had so far, the present one included. */
  readonly attempts: number;
  /** For a delayed message. */
  readonly delayLeftMs: number | undefined;
  /** For a leased one. */
  readonly leaseLeftMs: number | undefined;
  readonly consumer: string | undefined;
  readonly ttlLeftMs: number | undefined;
  /** The last 20 ended attempts, oldest first. */
  readonly history: readonly AttemptRecord[];
  /**
   * For a dead letter: why, and when it died (milliseconds since 1970). Without a `reason` of the consumer it is `rejected`,
   * `attempts used up` or `the lease of the last attempt ended`.
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

/** What became of a message that was cancelled or rescheduled. `started`: a consumer has it, or it is dead. */
export interface PendingResult {
  readonly id: string;
  readonly status: 'done' | 'started' | 'not-found';
}

/**
 * One piece of exported state. Bytes are base64, the rest is plain JSON, so that a record is a line of a file: an import
 * reads what became of it there, such as the null of a duration that was Infinity. What is leased is exported as ready.
 */
export type StateRecord =
  | { readonly kind: 'queue'; readonly name: string; readonly settings: Required<QueueSettings> }
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
  /** The highest revision ever given: an import goes on above it, so that revisions rise over it too. */
  | { readonly kind: 'revision'; readonly highest: number };

/** A message in an export: what {@link BrowsedMessage} says, with the body as base64. */
export interface ExportedMessage extends Omit<BrowsedMessage, 'message' | 'leaseLeftMs' | 'consumer'> {
  readonly message: Omit<Message, 'body'>;
  readonly bodyBase64: string;
  readonly maxAttempts: number | undefined;
}
