/**
 * What the author of a backend writes. `openTransport(backend)` makes a {@link Transport} of it and does once, for all
 * backends alike: checking and copying arguments, ids and defaults, time-outs and abort signals, states and closing,
 * the loops of subscriptions and watches, and giving back what a cancelled receive has claimed.
 *
 * So in here every argument is valid, complete and the backend's own. The rules of `transport.ts` hold.
 */

import type { WaitingReceives } from '../driver-kit/waiting-receives.ts';
import type { Capabilities } from './capabilities.ts';
import type { Delivery, Message, MessageInput, TopicEvent } from './message.ts';
import type {
  Binding,
  BrowsePage,
  DeleteResult,
  From,
  KvChange,
  KvEntry,
  KvTouch,
  MessageState,
  PendingResult,
  PublishResult,
  PutResult,
  QueueInfo,
  QueueSettings,
  SendResult,
  Service,
  Settlement,
  SettleResult,
  StateChange,
  StateRecord,
  TopicInfo,
  TouchResult,
  Warning,
} from './transport.ts';

/** The bounds of one call, as a backend sees them. */
export interface CallContext {
  /** Fires when nobody waits for the call any more: time is up, the caller aborted, or the transport closes. Made when first asked for. */
  readonly signal: AbortSignal;
  /** When the time is up, on the clock of `performance.now()`; Infinity for never. */
  readonly deadline: number;
}

/** A message to store, complete, with the delivery rules that its sender gave. */
export interface PreparedMessage extends Message {
  readonly delayMs: number;
  readonly ttlMs: number | undefined;
  readonly maxAttempts: number | undefined;
}

/** A backend, opened. */
export interface Driver {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** What {@link Transport.notes} says. A backend without anything to note leaves it out. */
  readonly warnings?: readonly Warning[];
  readonly queues: QueueDriver;
  readonly topics: TopicDriver;
  readonly kv: KvDriver;
  readonly admin: AdminDriver;
  /** Present exactly where the feature `calls` is declared. */
  readonly calls?: CallDriver;
  /** Tells a loss of the server (`reconnecting`) and its return (`open`). A backend without a server leaves it out. */
  onState?(listener: (change: StateChange) => void): void;
  /** Ends it: frees timers, connections, files. Called once; no call is under way by then and no cursor open. */
  close(): Promise<void>;
}

export interface QueueDriver {
  send(
    queue: string,
    messages: readonly PreparedMessage[],
    create: boolean,
    context: CallContext,
  ): Promise<SendResult[]>;
  settle(settlements: readonly Settlement[], context: CallContext): Promise<SettleResult[]>;
  configure(queue: string, settings: QueueSettings, context: CallContext): Promise<void>;
  /**
   * For a driver that waits by itself, such as a client of a hub. When `context.signal` fires it stops waiting and resolves
   * with the messages that it has claimed by then, which are released, or rejects.
   */
  receive?(queue: string, request: ReceiveRequest, context: CallContext): Promise<Delivery[]>;
  /**
   * For all others, with {@link QueueDriver.waiting}: leases messages that are ready, and never waits for one. There is
   * one claim at a time for a queue. `context.signal` fires when no receive is left that the claim could serve. A rejected
   * claim rejects its receives; a claim whose answer is lost must be undone or repeated by the driver.
   */
  claim?(queue: string, request: ClaimRequest, context: CallContext): Promise<ClaimResult>;
  /** The driver wakes waiting receives through it. */
  readonly waiting?: WaitingReceives;
}

/** The receives that a claim serves. */
export interface ClaimRequest {
  /**
   * The receives, grouped by consumer, in order of arrival. Call it as late as possible, such as inside the transaction:
   * receives that arrived meanwhile are included. It may be called again; the last call counts. It is empty when all
   * receives have ended.
   */
  receivers(): readonly ReceiverGroup[];
}

/** Receives of one consumer. */
export interface ReceiverGroup {
  readonly consumer: string | undefined;
  /** How many messages they take together, 1 to 1,000. */
  readonly max: number;
  /** Whether one of them goes on waiting when there are no messages. */
  readonly waits: boolean;
}

/** What a claim has leased. */
export interface ClaimResult {
  /** For each group of the request, in order. Groups that were not served may be missing. */
  readonly deliveries: readonly Delivery[][];
  /** Whether more messages are ready. If not, every receive of the request that got none has its answer: nothing. */
  readonly hasMore: boolean;
  /** The queue is claimed again after this time while a receive waits: when a delay or a lease ends, or to use an idle queue. */
  readonly recheckMs?: number | undefined;
}

/** What a consumer asks for. */
export interface ReceiveRequest {
  readonly max: number;
  readonly waitMs: number;
  readonly consumer: string | undefined;
}

/**
 * A place in a stream of things. `next` resolves with at least one as soon as there is one, at most `max`; it is never
 * called while one is pending. After `close` a pending `next` resolves with none. It rejects when the stream cannot go
 * on (POSITION_EXPIRED, for example); a lost server is not such a case: it resumes by itself.
 */
export interface Cursor<T> {
  next(max: number): Promise<readonly T[]>;
  close(): Promise<void>;
}

/** A {@link Cursor} over events. */
export interface EventCursor extends Cursor<TopicEvent> {
  /** Ephemeral events dropped so far because its bounded buffer was full. */
  readonly dropped: number;
  /**
   * Where another cursor could go on with nothing missed: behind what was given before `next` was called last and, while
   * that waits, behind all that does not match. Undefined where it is not known.
   */
  readonly position: string | undefined;
}

export interface TopicDriver {
  publish(
    topic: string,
    messages: readonly PreparedMessage[],
    ephemeral: boolean,
    context: CallContext,
  ): Promise<PublishResult[]>;
  /** Once resolved, the next publish is seen by the cursor. */
  open(pattern: string, from: From, context: CallContext): Promise<EventCursor>;
  bind(queue: string, pattern: string, from: From, context: CallContext): Promise<void>;
  unbind(queue: string, pattern: string, context: CallContext): Promise<void>;
}

export interface KvDriver {
  get(key: string, context: CallContext): Promise<KvEntry | undefined>;
  put(key: string, value: Uint8Array, condition: PutCondition, context: CallContext): Promise<PutResult>;
  touch(touches: readonly KvTouch[], context: CallContext): Promise<TouchResult[]>;
  delete(key: string, ifRevision: number | undefined, context: CallContext): Promise<DeleteResult>;
  list(prefix: string, page: PageQuery, context: CallContext): Promise<KvEntry[]>;
  /** The present entries, then `synced`, then changes, merged to the newest per key. */
  watch(prefix: string, context: CallContext): Promise<Cursor<KvChange>>;
}

export interface PutCondition {
  readonly ttlMs: number | undefined;
  readonly ifRevision: number | undefined;
}

/** One page of a listing. */
export interface PageQuery {
  readonly limit: number;
  readonly after: string | undefined;
}

export interface CallDriver {
  /** The handler's rejections reach the caller as HANDLER_FAILED with the error's message. */
  serve(
    address: string,
    max: number,
    handler: (message: Message, signal: AbortSignal) => AsyncIterable<MessageInput>,
    context: CallContext,
  ): Promise<Service>;
  /** `context.deadline` travels with the call. */
  call(address: string, message: PreparedMessage, context: CallContext): AsyncIterable<Message>;
}

export interface AdminDriver {
  queues(filter: QueueFilter, context: CallContext): Promise<QueueInfo[]>;
  topics(page: PageQuery, context: CallContext): Promise<TopicInfo[]>;
  bindings(context: CallContext): Promise<Binding[]>;
  browse(queue: string, filter: BrowseFilter, context: CallContext): Promise<BrowsePage>;
  redrive(queue: string, ids: readonly string[] | undefined, limit: number, context: CallContext): Promise<number>;
  purge(
    queue: string,
    state: Exclude<MessageState, 'leased'>,
    ids: readonly string[] | undefined,
    context: CallContext,
  ): Promise<number>;
  /** Needed, like {@link AdminDriver.reschedule}, where the feature `cancel` is declared; never called elsewhere. */
  cancel?(queue: string, ids: readonly string[], context: CallContext): Promise<PendingResult[]>;
  reschedule?(queue: string, ids: readonly string[], delayMs: number, context: CallContext): Promise<PendingResult[]>;
  deleteQueue(queue: string, context: CallContext): Promise<boolean>;
  /** Deletes everything in this transport's namespace, counters of revisions excepted. */
  clear(context: CallContext): Promise<void>;
  /** Needed, like {@link AdminDriver.importState}, where the feature `exportState` is declared; never called elsewhere. */
  exportState?(context: CallContext): AsyncIterable<StateRecord>;
  /** One bounded batch of an import, in the order of the export. */
  importState?(records: readonly StateRecord[], context: CallContext): Promise<number>;
}

export interface QueueFilter extends PageQuery {
  readonly names: readonly string[] | undefined;
  readonly prefix: string;
}

export interface BrowseFilter extends PageQuery {
  readonly state: MessageState | undefined;
  readonly ids: readonly string[] | undefined;
}
