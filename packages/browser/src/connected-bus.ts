/** The bus of a page that is connected. */

import { Listeners } from '@busbar/api/driver';
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
import { noAgent, type PageAgent } from './agent/page-agent.ts';
import type {
  EventHandler,
  Handler,
  PageBus,
  PageTaskOptions,
  RequestOptions,
  Stored,
  SubscribeOptions,
  Subscription,
  TaskCounts,
} from './page-bus.ts';
import { type PageCore, toStored } from './page-core.ts';
import { request } from './work/requests.ts';
import { subscribe } from './work/subscriptions.ts';
import type { PageTasks } from './work/tasks.ts';

const DRAIN_MS = 5_000;

export class ConnectedBus implements PageBus {
  readonly #core: PageCore;
  readonly #agent: PageAgent | undefined;
  readonly #tasks: PageTasks;
  readonly #listeners = new Listeners<StateChange>((cause) =>
    this.#core.report(new BusbarError('HANDLER_FAILED', 'a listener of states failed', { cause })),
  );
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
    return this.#listeners.add(listener);
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

  #change(change: StateChange): void {
    this.#state = change.state;
    this.#listeners.call(change);
  }
}
