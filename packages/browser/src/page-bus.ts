/** The bus of a page, as its user sees it. It imports types of the api only: users have no other package. */

import type {
  AgentInfo,
  DelayedStart,
  EventOptions,
  MailOptions,
  OnPresence,
  PlannedStart,
  ReceivedMessage,
  TaskHandle,
  TaskOptions,
  UniqueKey,
} from '@busbar/api/parts';
import type {
  BusbarError,
  CallOptions,
  From,
  Headers,
  KvWatch,
  StateChange,
  TransportState,
} from '@busbar/api/transport';

/** What a handler works with. */
export interface HandlerContext {
  /** Fires when the requester left, when the lease of the message is lost, or when the bus closes. */
  readonly signal: AbortSignal;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** Sends a part of the response ahead. Resolves when it is on its way; does nothing if there is no requester. */
  reply(part: unknown): Promise<void>;
}

/** Handles a message or a request. The value is the response. */
export type Handler<T = unknown> = (message: ReceivedMessage<T>, context: HandlerContext) => unknown;

/** Options of a request. */
export interface RequestOptions extends CallOptions {
  readonly headers?: Headers | undefined;
  readonly correlationId?: string | undefined;
  /** Gets each part that the handler sends before its response. The next one waits for its promise. */
  readonly onPart?: ((part: never) => unknown) | undefined;
}

/** How to subscribe. */
export interface SubscribeOptions {
  /**
   * Makes the subscription durable under this name: events are stored for it while no page or process is subscribed, and each
   * is handled at least once. All subscribers of one name share its events.
   */
  readonly durableName?: string | undefined;
  /** Where to begin. Default `new`. A durable subscription uses it when its pattern is bound for the first time. */
  readonly from?: From | undefined;
  /** Durable: how many handlers run at a time, 1 to 10,000. Default 1. */
  readonly concurrency?: number | undefined;
}

/** Handles one event. */
export type EventHandler<T = unknown> = (
  event: ReceivedMessage<T>,
  context: { readonly signal: AbortSignal },
) => unknown;

/** A subscription. Closing a durable one ends this subscriber; events are stored for the others, or the next. */
export interface Subscription extends AsyncDisposable {
  /** Resolves after its end: with the error that ended it, or undefined after `close`. Never rejects. */
  readonly ended: Promise<BusbarError | undefined>;
  /** Live: subscribing with `from: { after: position }` continues behind the last handled event. Undefined for a durable one. */
  readonly position: string | undefined;
  close(): Promise<void>;
}

/** Options of a task. */
export type PageTaskOptions = TaskOptions & (DelayedStart | PlannedStart) & Pick<UniqueKey, 'dedupeKey'>;

/** The number of tasks of a queue by state. */
export interface TaskCounts {
  readonly queued: number;
  readonly delayed: number;
  readonly running: number;
  readonly dead: number;
  /** Since the queue was created. */
  readonly done: number;
}

/** The result of a message or an event. `duplicate`: one with this id was stored before; nothing was stored now. */
export interface Stored {
  readonly id: string;
  readonly status: 'stored' | 'duplicate';
}

/**
 * The bus of a page. While the connection is lost, calls wait for the next one, up to `timeoutMs` (default 30,000). Sends and
 * events are repeated with their ids, so each is stored once; subscriptions and watches miss nothing that is stored.
 */
export interface PageBus extends AsyncDisposable {
  /** The agent that this page is; undefined for none. */
  readonly agent: string | undefined;
  readonly state: TransportState;
  /** Calls `listener` at each change of the connection. Returns a function that ends this. */
  onState(listener: (change: StateChange) => void): () => void;
  /**
   * Sends a message to the inbox of an agent, which may be offline. Rejects with NOT_FOUND if no agent has that name, unless
   * `createInbox`.
   */
  send(to: string, type: string, body?: unknown, options?: MailOptions): Promise<Stored>;
  /**
   * Sends a request to an agent that is online, and resolves with its response. Rejects with NO_RESPONDER, HANDLER_FAILED or
   * TIMEOUT. If the connection is lost meanwhile, it rejects with UNAVAILABLE and the outcome `unknown`: it is not repeated.
   */
  request<T = unknown>(to: string, type: string, body?: unknown, options?: RequestOptions): Promise<T>;
  /**
   * Handles messages and requests of a type; `*` takes the others. A handler that throws fails its request; its message is
   * retried. Throws INVALID_ARGUMENT for a page without an agent.
   */
  handle<T = unknown>(type: string, handler: Handler<T>): this;
  /** Publishes an event. */
  publish(topic: string, body?: unknown, options?: EventOptions): Promise<Stored>;
  /** Passes each event that matches to `handler`, one at a time; with `durableName` at least once, also those of the time before. */
  subscribe<T = unknown>(pattern: string, handler: EventHandler<T>, options?: SubscribeOptions): Promise<Subscription>;
  /** Puts a task into a queue, for a worker. */
  enqueue<R = unknown>(queue: string, body?: unknown, options?: PageTaskOptions): Promise<TaskHandle<R>>;
  /** The handle of a task by its id, also of one that another process or an earlier page enqueued. */
  task<R = unknown>(id: string): TaskHandle<R>;
  /** How many tasks a queue has by state. */
  taskCounts(queue: string, options?: CallOptions): Promise<TaskCounts>;
  /** Lists agents that are registered or online, in order of name. */
  agents(): Promise<AgentInfo[]>;
  /** Reports each online agent, then each change: online, offline, changed. Resolves after the agents online now are reported. */
  watchAgents(onChange: OnPresence): Promise<KvWatch>;
  /** Closes subscriptions, goes offline, lets handlers finish for five seconds, and disconnects. */
  close(): Promise<void>;
}
