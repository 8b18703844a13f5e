/**
 * The contract of a transport. Its comments are the specification; the conformance suite tests every backend against it.
 *
 * Rules for every method:
 * - Arguments are checked before any effect. Bad ones reject with INVALID_ARGUMENT (PAYLOAD_TOO_LARGE for a body).
 * - When the promise resolves, the results are as durable as {@link Capabilities.durability} declares.
 * - Calls may overlap. Calls of one turn of the event loop may share a transaction or a round trip. A bad call never fails
 *   another one. Calls on one queue or topic take effect in the order of the calls.
 * - While the server is unreachable, a call waits up to its `timeoutMs` and then rejects with UNAVAILABLE.
 * - After {@link Transport.close} began, calls reject with CLOSED. Received messages can be settled until it ends.
 * - The process stays alive while a call, a wait, a subscription, a watch or a service is pending. An idle transport does not
 *   keep it alive (rule RA9).
 * - Bytes from the caller are copied before the call returns. Bytes in results belong to the caller.
 */

import type { Capabilities } from './capabilities.ts';
import type { BusbarError } from './errors.ts';
import type { Gate, GateState } from './gate.ts';
import type { AttemptRecord, Delivery, Message, MessageInput, TopicEvent } from './message.ts';

/** Bounds of one call. */
export interface CallOptions {
  /** The call rejects with TIMEOUT after this time. Default 30,000; Infinity for no limit. */
  readonly timeoutMs?: number | undefined;
  /** The call rejects with ABORTED when it fires. */
  readonly signal?: AbortSignal | undefined;
}

/** An opened transport. The bus is built on it. */
export interface Transport extends AsyncDisposable {
  /** The kind of backend, such as `sqlite`. */
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Configuration warnings for operators, such as settings under which messages can be lost. `busbar doctor` shows them. */
  readonly warnings?: readonly Warning[];
  /** Of a transport that is made of others: its parts as they are now. `busbar doctor` shows them. */
  readonly parts?: readonly TransportPart[] | undefined;
  readonly state: TransportState;
  /** Calls `listener` at each change of state, in order. Returns a function that ends this. */
  onState(listener: (change: StateChange) => void): () => void;
  /**
   * Calls `listener` after the store came back without writes that it had acknowledged. Receives, subscriptions and watches
   * go on over the present store; watchers see the difference. Returns a function that ends this.
   */
  onReset(listener: (reset: StoreReset) => void): () => void;
  /** The past of the store when it was last read, for a hub and for a move between stores; undefined if the driver tells none. */
  readonly past: StorePast | undefined;
  readonly queues: Queues;
  readonly topics: Topics;
  readonly kv: KeyValue;
  readonly admin: Admin;
  /** The fast path of requests, where {@link Features.calls} is declared. */
  readonly calls?: Calls;
  /**
   * Closes the transport (rule RA3). New calls and waits reject with CLOSED at once. Running calls finish. Held leases can be
   * settled for `drainMs` and are then released. A second call returns the promise of the first.
   */
  close(options?: TransportCloseOptions): Promise<void>;
}

/** A configuration warning: one sentence, and what to do about it. */
export interface Warning {
  readonly text: string;
  readonly hint: string;
}

/**
 * `reconnecting`: the server is unreachable, and the transport tries to connect again. `degraded`: one of its parts is
 * unreachable, and another part takes its traffic.
 */
export type TransportState = 'open' | 'degraded' | 'reconnecting' | 'closing' | 'closed';

/** One of the transports of which a transport is made. */
export interface TransportPart {
  /** What it is for, such as `fast`. */
  readonly role: string;
  /** Its URL without secrets. */
  readonly name: string;
  readonly state: TransportState;
  /** What it carries, in words. */
  readonly carries: string;
  /** How many messages and events went to it through this transport. */
  readonly sent: number;
}

/** A change of state, with the error that caused it. */
export interface StateChange {
  readonly state: TransportState;
  readonly error?: BusbarError;
}

/** A store whose past is not the one that this transport knew. */
export interface StoreReset {
  /**
   * `replaced`: it is a new store, or it was cleared. `rolled-back`: it lost its latest writes. `damaged`: it lost a part of its
   * data, such as keys that a server with full memory evicted.
   */
  readonly cause: 'replaced' | 'rolled-back' | 'damaged';
  /** What is known of the loss, such as a number of messages. */
  readonly detail?: string | undefined;
}

/** What identifies the past of a store. Two stores with one incarnation have the same past up to the lower counter. */
export interface StorePast {
  /** Changes when the store is created again or cleared; undefined if the store has no header, because it is new or was emptied. */
  readonly incarnation: string | undefined;
  /** A counter that only rises within one incarnation, such as the last revision or sequence number. */
  readonly counter: number;
  /** Identifies this copy of a store of which there can be several, such as a backup that was put in its place. */
  readonly copy?: string | undefined;
}

/** How to close a transport. */
export interface TransportCloseOptions {
  /** How long held leases can still be settled, 0 to 2^31-1. Default 0. */
  readonly drainMs?: number | undefined;
  /** `release` (default) returns leased messages to their queues. `keep` leaves them leased, for another process to settle. */
  readonly leases?: 'release' | 'keep' | undefined;
}

// ---------------------------------------------------------------------------------------------------------- queues

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
   * Default 30,000, without `waitMs` 10,000.
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
  /** Makes it a dead letter. {@link BrowsedMessage.dead} has `reason`, or `rejected` without one. */
  | {
      readonly receipt: string;
      readonly action: 'reject';
      readonly reason?: string | undefined;
      readonly entry?: KvPut | undefined;
    }
  /** Not started: returns it to the queue at once. The attempt does not count. */
  | { readonly receipt: string; readonly action: 'release'; readonly entry?: undefined }
  /** Still running: renews the lease in full. */
  | { readonly receipt: string; readonly action: 'extend'; readonly entry?: undefined };

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

// ---------------------------------------------------------------------------------------------------------- topics

/** Topics: each event goes to every subscriber; a log with positions (rules RT1-RT6). */
export interface Topics {
  /**
   * Appends events to the log and to every bound queue. With `ephemeral`, only present subscribers get them. Resolves with
   * one result per event, in order. Priority, delay and TTL apply in bound queues only. An id is stored once per topic
   * within 2 minutes, or within the window of the backend's options. Full and frozen queues take events of their bindings.
   */
  publish(topic: string, messages: readonly MessageInput[], options?: PublishOptions): Promise<PublishResult[]>;
  /**
   * Passes every event that matches `pattern` to `onEvents`, in order, in batches of up to `max`. The next batch follows when
   * its promise resolves. After this resolves, every later publish is seen. A subscription survives reconnects without gaps
   * or duplicates.
   */
  subscribe(pattern: string, options: TopicSubscribeOptions, onEvents: OnEvents): Promise<TopicSubscription>;
  /**
   * Adds every event that matches to `queue` (created if needed), from when this resolves. A queue gets each event once, even
   * if several of its bindings match it, wherever they begin (rule RT5).
   */
  bind(queue: string, pattern: string, options?: BindOptions): Promise<void>;
  /** Deletes a binding. Messages in the queue stay. Does nothing if there is no such binding. */
  unbind(queue: string, pattern: string, options?: CallOptions): Promise<void>;
}

export interface PublishOptions extends CallOptions {
  /** The events are not stored, have no position and are delivered at most once, not to bound queues. Default false. */
  readonly ephemeral?: boolean | undefined;
}

/** The result of one event. A duplicate has the position of the first. */
export interface PublishResult extends SendResult {
  /** Its position in the log: opaque, at most 512 bytes. Undefined for an ephemeral event. */
  readonly position?: string;
}

/**
 * Where to begin in a log: at the next event, at the oldest stored event, after a position, or at a time. A future time is
 * like `new`. A position beyond retention rejects with POSITION_EXPIRED, a foreign one with
 * INVALID_ARGUMENT.
 */
export type From = 'new' | 'start' | { readonly after: string } | { readonly time: number };

export interface TopicSubscribeOptions extends CallOptions {
  /** Default `new`. Ephemeral events are always delivered. */
  readonly from?: From | undefined;
  /** The most events in one batch, 1 to 1,000. Default 256. */
  readonly max?: number | undefined;
  /** About how many bytes of bodies one batch has. Default: no limit. */
  readonly maxBytes?: number | undefined;
}

export interface BindOptions extends CallOptions {
  /** Default `new`. Earlier events follow in bounded steps after this resolves. */
  readonly from?: From | undefined;
}

/** Receives a batch of events. The next batch follows when its promise resolves. A rejection ends the subscription. */
export type OnEvents = (events: readonly TopicEvent[]) => void | Promise<void>;

/** A live subscription. */
export interface TopicSubscription extends AsyncDisposable {
  /** Resolves after its end: with the error that ended it, or undefined after {@link TopicSubscription.close}. Never rejects. */
  readonly ended: Promise<BusbarError | undefined>;
  /**
   * Its position: subscribing with `{ after: position }` continues after the last handled event. Events that do not match
   * move it too, so retention does not overtake a subscriber to rare events.
   */
  readonly position: string | undefined;
  /** How many ephemeral events were dropped because the handler was too slow. */
  readonly dropped: number;
  /** Ends it. Resolves when the last call of the handler has ended. */
  close(): Promise<void>;
}

// --------------------------------------------------------------------------------------------------------- entries

/** Entries: small values with a revision and a time to live (rules RE1, RE2). */
export interface KeyValue {
  get(key: string, options?: CallOptions): Promise<KvEntry | undefined>;
  /** Sets a value of at most 64 KiB. With `ifRevision` only if that is its present revision; 0 = only if the key is absent. */
  put(key: string, value: Uint8Array, options?: PutOptions): Promise<PutResult>;
  /** Renews TTLs. One result each. With `createRevision` only if the key still has that one. Watchers do not see it. */
  touch(touches: readonly KvTouch[], options?: CallOptions): Promise<TouchResult[]>;
  delete(key: string, options?: DeleteOptions): Promise<DeleteResult>;
  /** Entries whose key starts with `prefix`, in the order of their keys' UTF-8 bytes; up to `limit` (default and most 1,000) after key `after`. */
  list(prefix: string, options?: ListOptions): Promise<KvEntry[]>;
  /**
   * Passes the present entries to `onChanges`, then `synced`, then each change: the latest state per key, no revision twice.
   * The next call follows when its promise resolves. Changes of a key in the meantime are merged into the latest.
   */
  watch(prefix: string, onChanges: OnKvChanges, options?: WatchOptions): Promise<KvWatch>;
}

/** A key and its value. */
export interface KvEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Rises with every put of the key, also after deletions and restarts. */
  readonly revision: number;
  /** The revision of the put that created the entry. It rises with every holder of a lock: it is the fencing token. */
  readonly createRevision: number;
  /** How long until it expires; undefined without a TTL. */
  readonly ttlLeftMs: number | undefined;
}

export interface PutOptions extends CallOptions {
  /** The entry expires after this time, 1 or more. Default: never. A put without a TTL removes an earlier one. */
  readonly ttlMs?: number | undefined;
  readonly ifRevision?: number | undefined;
}

/** The entry that a settlement puts, such as the outcome of a task. */
export interface KvPut {
  readonly key: string;
  /** At most 64 KiB. */
  readonly value: Uint8Array;
  /** 1 or more. Default: it never expires. */
  readonly ttlMs?: number | undefined;
}

/** A conflict is a result, not an error. It has the present entry; undefined if the key is absent. */
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
  /** `lost`: the key is absent or has another `createRevision`. */
  readonly status: 'touched' | 'lost';
}

export interface DeleteOptions extends CallOptions {
  readonly ifRevision?: number | undefined;
}

/** `absent`: there was no entry. `conflict`: it has another revision. */
export interface DeleteResult {
  readonly status: 'deleted' | 'absent' | 'conflict';
}

export interface ListOptions extends CallOptions {
  readonly limit?: number | undefined;
  readonly after?: string | undefined;
}

export interface WatchOptions extends CallOptions {
  /** About how many bytes of values one batch has. Default: no limit. */
  readonly maxBytes?: number | undefined;
  /** Whether the process stays alive while it is open. Default true. */
  readonly keepsAlive?: boolean | undefined;
}

/** A change that a watcher sees. */
export type KvChange =
  | { readonly kind: 'put'; readonly entry: KvEntry }
  | { readonly kind: 'deleted' | 'expired'; readonly key: string; readonly revision: number }
  | { readonly kind: 'synced' };

export type OnKvChanges = (changes: readonly KvChange[]) => void | Promise<void>;

/** A live watch, like {@link TopicSubscription}. */
export interface KvWatch extends AsyncDisposable {
  readonly ended: Promise<BusbarError | undefined>;
  close(): Promise<void>;
}

// ----------------------------------------------------------------------------------------------------------- calls

/** The fast path of requests: at most once, and nothing is stored. */
export interface Calls {
  /**
   * Serves calls to `address`, up to `max` at a time (1 to 10,000, default 16); further calls wait. Several servers of one
   * address share its calls. Yielded messages are sent back in order. An error of the handler reaches the caller as
   * HANDLER_FAILED. `signal` fires when the caller left or timed out.
   */
  serve(address: string, options: ServeOptions, handler: CallHandler): Promise<Service>;
  /**
   * Calls one server of `address` and yields its replies. At most 64 replies are sent ahead of a slow reader. Rejects with
   * NO_RESPONDER without a server, TIMEOUT after `timeoutMs` (which the server knows), CLOSED when either side closes.
   * Leaving the loop early cancels the call.
   */
  call(address: string, message: MessageInput, options?: CallOptions): AsyncIterable<Message>;
}

export interface ServeOptions {
  readonly max?: number | undefined;
}

export type CallHandler = (message: Message, signal: AbortSignal) => AsyncIterable<MessageInput>;

/** A server of calls. After `close` it takes no more calls; the promise resolves when running ones have ended. */
export interface Service extends AsyncDisposable {
  close(): Promise<void>;
}

// ----------------------------------------------------------------------------------------------------------- admin

/** Inspection, operation and migration. It does not disturb consumers. */
export interface Admin {
  /** Queues by name, or all whose name starts with `prefix`, in order of name; up to `limit` (default and most 1,000) after `after`. */
  queues(options?: QueuesOptions): Promise<QueueInfo[]>;
  /** Topics that have history or bindings, in order of name. */
  topics(options?: ListOptions): Promise<TopicInfo[]>;
  bindings(options?: CallOptions): Promise<Binding[]>;
  /** Reads messages without leasing them, in delivery order (dead letters: oldest first). An unknown queue has none. */
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
  /** Sets the delay of messages that were not started; 0 makes them ready now. */
  reschedule(queue: string, ids: readonly string[], delayMs: number, options?: CallOptions): Promise<PendingResult[]>;
  /** Deletes a queue with its messages, dead letters, settings and bindings. Its leases are lost. Resolves with whether it existed. */
  deleteQueue(queue: string, options?: CallOptions): Promise<boolean>;
  /**
   * Deletes everything in the namespace, for tests. Existing leases become stale, pending receives keep waiting, and watchers
   * see a deletion for each key. The gate stays as it is.
   */
  clear(options?: GatedCallOptions): Promise<void>;
  /** Exports everything as records (rule RA7); as a consistent snapshot if the backend can make one. */
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

/** The result of a cancellation or rescheduling. `started`: a consumer has the message, or it is a dead letter. */
export interface PendingResult {
  readonly id: string;
  readonly status: 'done' | 'started' | 'not-found';
}

/**
 * One record of exported state. Bytes are base64, the rest is plain JSON, so a record can be a line of a file. An import
 * also reads values that JSON has changed, such as null for Infinity. Leased messages are exported as ready.
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
