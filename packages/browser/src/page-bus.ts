/** The bus of a page. */

import {
  type AgentInfo,
  attemptsHeader,
  checkAgentName,
  checkMessageOptions,
  checkMessageType,
  checkUserName,
  EVENT_KEYS,
  type EventOptions,
  inboxOf,
  MAIL_KEYS,
  type MailOptions,
  type OnPresence,
  type TaskHandle,
} from '@busbar/api/parts';
import {
  BusbarError,
  type CallOptions,
  type KvWatch,
  type StateChange,
  type TransportState,
} from '@busbar/api/transport';
import { listAgents, watchAgents } from './agent/agent-list.ts';
import type { Handler } from './agent/handlers.ts';
import { noAgent, type PageAgent } from './agent/page-agent.ts';
import { type PageCore, toStored } from './page-core.ts';
import { type RequestOptions, request } from './work/requests.ts';
import { type EventHandler, type SubscribeOptions, type Subscription, subscribe } from './work/subscriptions.ts';
import type { PageTaskOptions, PageTasks, TaskCounts } from './work/tasks.ts';

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

const DRAIN_MS = 5_000;

export class PageBusImpl implements PageBus {
  readonly #core: PageCore;
  readonly #agent: PageAgent | undefined;
  readonly #tasks: PageTasks;
  readonly #listeners = new Set<(change: StateChange) => void>();
  #state: TransportState = 'open';
  #closed: Promise<void> | undefined;

  constructor(core: PageCore, agent: PageAgent | undefined, tasks: PageTasks) {
    this.#core = core;
    this.#agent = agent;
    this.#tasks = tasks;
    core.store.onState((change) => this.#change(change));
  }

  get agent(): string | undefined {
    return this.#core.settings.agent;
  }

  get state(): TransportState {
    return this.#state;
  }

  onState(listener: (change: StateChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async send(to: string, type: string, body?: unknown, options: MailOptions = {}): Promise<Stored> {
    const { store } = this.#core;
    this.#core.assertOpen();
    checkMessageOptions(options, MAIL_KEYS, 'send options');
    checkMessageType(type);
    checkAgentName(to);
    const message = this.#core.toMessage({ body, type, to, options, internal: attemptsHeader(options.maxAttempts) });
    const create = options.createInbox ?? false;
    const results = await store.bounded(options, (context) =>
      store.queues.send(inboxOf(to), [message], create, context),
    );
    return toStored(results[0]);
  }

  async request<T>(to: string, type: string, body?: unknown, options?: RequestOptions): Promise<T> {
    return request(this.#core, to, { type, body, ...(options && { options }) }) as Promise<T>;
  }

  handle(type: string, handler: Handler<never>): this {
    this.#core.assertOpen();
    if (this.#agent === undefined) throw noAgent();
    this.#agent.handle(type, handler);
    return this;
  }

  async publish(topic: string, body?: unknown, options: EventOptions = {}): Promise<Stored> {
    const { store } = this.#core;
    this.#core.assertOpen();
    checkUserName(topic, 'topic');
    checkMessageOptions(options, EVENT_KEYS, 'publish options');
    const message = { ...this.#core.toMessage({ body, options }), topic };
    const isEphemeral = options.ephemeral ?? false;
    const results = await store.bounded(options, (context) =>
      store.topics.publish(topic, [message], isEphemeral, context),
    );
    return toStored(results[0]);
  }

  subscribe(pattern: string, handler: EventHandler<never>, options?: SubscribeOptions): Promise<Subscription> {
    return subscribe(this.#core, pattern, handler, options);
  }

  async enqueue(queue: string, body?: unknown, options?: PageTaskOptions): Promise<TaskHandle<never>> {
    return this.#tasks.enqueue(queue, body, options);
  }

  task(id: string): TaskHandle<never> {
    return this.#tasks.handle(id);
  }

  async taskCounts(queue: string, options?: CallOptions): Promise<TaskCounts> {
    return this.#tasks.counts(queue, options);
  }

  agents(): Promise<AgentInfo[]> {
    return listAgents(this.#core);
  }

  watchAgents(onChange: OnPresence): Promise<KvWatch> {
    return watchAgents(this.#core, onChange);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { shutdown, leases, store } = this.#core;
    this.#change({ state: 'closing' });
    await shutdown.close(DRAIN_MS, (error) => this.#core.report(error));
    leases.close();
    await store.close();
    this.#change({ state: 'closed' });
  }

  /** A listener that throws changes nothing for the others. */
  #change(change: StateChange): void {
    this.#state = change.state;
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (cause) {
        this.#core.report(new BusbarError('HANDLER_FAILED', 'a listener of states failed', { cause }));
      }
    }
  }
}
