/**
 * The interface that a driver implements. `openTransport(driver)` makes a {@link Transport} of it. It checks and copies
 * arguments, creates ids and defaults, keeps timeouts and abort signals, and handles states and closing. It also runs the
 * loops of subscriptions and watches, and releases messages that a cancelled receive has claimed.
 *
 * Every argument of a driver is therefore valid, complete and its own. The rules of `transport.ts` apply.
 */

import type { GateChange } from '../driver-kit/gate.ts';
import type { WaitingReceives } from '../driver-kit/waiting-receives.ts';
import type { Binding, BrowsePage, MessageState, PendingResult, QueueInfo, StateRecord, TopicInfo } from './admin.ts';
import type { CallHandler, Calls, Service } from './calls.ts';
import type { Capabilities } from './capabilities.ts';
import type { Gate } from './gate.ts';
import type { DeleteResult, KvChange, KvEntry, KvTouch, PutResult, TouchResult } from './kv.ts';
import type { Delivery, Message, TopicEvent } from './message.ts';
import type { QueueSettings, SendResult, Settlement, SettleResult } from './queues.ts';
import type { From, PublishResult } from './topics.ts';
import type { StateChange, StorePast, StoreReset, TransportPart, Warning, WorkFailure } from './transport.ts';

/** The bounds of one call of a driver. */
export interface CallContext {
  /** Fires when the call timed out or was aborted, or when the transport closes. It is created on first use. */
  readonly signal: AbortSignal;
  /** When the call times out, by `performance.now()`; Infinity for never. */
  readonly deadline: number;
}

/** A complete message to store, with the delivery options of its sender. */
export interface PreparedMessage extends Message {
  readonly delayMs: number;
  readonly ttlMs: number | undefined;
  readonly maxAttempts: number | undefined;
}

/** An opened driver. */
export interface Driver {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Becomes `warnings` of the transport. */
  readonly warnings?: readonly Warning[];
  /** Becomes `parts` of the transport. Only drivers over other transports have it. */
  readonly parts?: readonly TransportPart[];
  readonly queues: QueueDriver;
  readonly topics: TopicDriver;
  readonly kv: KvDriver;
  readonly admin: AdminDriver;
  /** Required if the feature `calls` is declared. */
  readonly calls?: CallDriver;
  /** Reports the loss of the server (`reconnecting`) and its return (`open`). Only drivers with a server have it. */
  onState?(listener: (change: StateChange) => void): void;
  /**
   * Reports that the store was replaced or rolled back (see {@link StoreWatch}), once the driver works on the present store:
   * cursors go on, and claims see its messages. It notices within seconds, without an operation of its user. Drivers whose
   * store cannot lose its past do without.
   */
  onReset?(listener: (reset: StoreReset) => void): void;
  /**
   * Reports failures of its background work (see {@link WorkFailures}). The loss of a server is a change of state instead.
   * Drivers without such work do without.
   */
  onFailure?(listener: (failure: WorkFailure) => void): void;
  /** The past of the store, at most about a second old: the `past` of its {@link StoreWatch}. */
  readonly past?: StorePast | undefined;
  /** Frees timers, connections and files. Called once, when no call is running and no cursor is open. */
  close(): Promise<void>;
}

export interface QueueDriver {
  send(
    queue: string,
    messages: readonly PreparedMessage[],
    create: boolean,
    context: CallContext,
  ): Promise<SendResult[]>;
  /**
   * An entry belongs to the same transaction as its settlement. A store without such transactions puts it after the settlement
   * took effect, and says so in its documentation.
   */
  settle(settlements: readonly Settlement[], context: CallContext): Promise<SettleResult[]>;
  configure(queue: string, settings: QueueSettings, context: CallContext): Promise<void>;
  /**
   * For a driver that waits by itself, such as a client of a hub. When `context.signal` fires it stops waiting. It then
   * rejects, or resolves with the messages that it has claimed; those are released.
   */
  receive?(queue: string, request: ReceiveRequest, context: CallContext): Promise<Delivery[]>;
  /**
   * For all other drivers, with {@link QueueDriver.waiting}: leases ready messages and never waits for one. A queue has one
   * claim at a time. `context.signal` fires when the claim has no receive left to serve. A rejected claim rejects its
   * receives. If the result of a claim is lost, the driver must undo or repeat the claim.
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

/** The result of a claim. */
export interface ClaimResult {
  /** For each group of the request, in order. Groups that were not served may be missing. */
  readonly deliveries: readonly Delivery[][];
  /** Whether more messages are ready. If not, receives without messages go on waiting or end empty. */
  readonly hasMore: boolean;
  /** The queue is claimed again after this time while a receive waits: when a delay or a lease ends, or to use an idle queue. */
  readonly recheckMs?: number | undefined;
}

/** One receive. */
export interface ReceiveRequest {
  readonly max: number;
  readonly waitMs: number;
  readonly consumer: string | undefined;
}

/**
 * A position in a stream. `next` resolves with up to `max` items as soon as one is present; it is never called while one is
 * pending. After `close` a pending `next` resolves with none. It rejects when the stream cannot go on, such as with
 * POSITION_EXPIRED. After the loss of the server it resumes by itself.
 */
export interface Cursor<T> {
  next(max: number): Promise<readonly T[]>;
  close(): Promise<void>;
}

/** A {@link Cursor} over events. */
export interface EventCursor extends Cursor<TopicEvent> {
  /** How many ephemeral events were dropped because its bounded buffer was full. */
  readonly dropped: number;
  /**
   * The position where another cursor can continue without a gap: after the items that were returned before the last call
   * of `next`. While that call waits, events that do not match move it too. Undefined if unknown.
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
  /** After this resolves, the cursor sees every later publish. */
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
  /** Returns the present entries, then `synced`, then changes, merged to the latest per key. */
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
  /** Becomes {@link Calls.reach}. */
  readonly reach?: Calls['reach'];
  /** Errors of the handler reach the caller as HANDLER_FAILED with their message. */
  serve(address: string, max: number, handler: CallHandler, context: CallContext): Promise<Service>;
  /** The server must know `context.deadline`. */
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
  /** Required, like {@link AdminDriver.reschedule}, if the feature `cancel` is declared. */
  cancel?(queue: string, ids: readonly string[], context: CallContext): Promise<PendingResult[]>;
  reschedule?(queue: string, ids: readonly string[], delayMs: number, context: CallContext): Promise<PendingResult[]>;
  deleteQueue(queue: string, context: CallContext): Promise<boolean>;
  /** Deletes everything in the namespace, except counters of revisions and the gate. Takes `gateRevision` like an import. */
  clear(gateRevision: number | undefined, context: CallContext): Promise<void>;
  /** Required, like {@link AdminDriver.importState}, if the feature `exportState` is declared. */
  exportState?(context: CallContext): AsyncIterable<StateRecord>;
  /** Imports one bounded batch, in the order of the export. With `gateRevision` only at that revision, see {@link checkGate}. */
  importState?(
    records: readonly StateRecord[],
    gateRevision: number | undefined,
    context: CallContext,
  ): Promise<number>;
  /** Required, like {@link AdminDriver.setGate}, if the feature `gate` is declared. */
  gate?(context: CallContext): Promise<Gate>;
  /** As {@link changeGate} decides, in one step. `closed` also ends all leases before it resolves. */
  setGate?(change: GateChange, context: CallContext): Promise<Gate>;
}

export interface QueueFilter extends PageQuery {
  readonly names: readonly string[] | undefined;
  readonly prefix: string;
}

export interface BrowseFilter extends PageQuery {
  readonly state: MessageState | undefined;
  readonly ids: readonly string[] | undefined;
}
