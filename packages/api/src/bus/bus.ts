/** The bus: one object over any transport, whose verbs are carried out by its parts. */

import type { CallOptions, KvWatch, Transport } from '../contract/transport.ts';
import { checkDuration, checkFunction, checkOneOf, checkOptions, MAX_TIMER_MS } from '../contract/validation.ts';
import { type Agent, openAgent } from './agent.ts';
import type { Received } from './consuming/received.ts';
import { DeadLetters } from './dead-letters.ts';
import type { BusSubscription } from './events/bus-subscription.ts';
import { publishEvent } from './events/events.ts';
import { type HistoryOptions, readHistory } from './events/history.ts';
import { type BusSubscribeOptions, type EventHandler, subscribe, unsubscribe } from './events/subscriptions.ts';
import type { Lock } from './locks/lock.ts';
import type { LockHolder } from './locks/lock-holder.ts';
import type { LockOptions } from './locks/lock-options.ts';
import { Locks } from './locks/locks.ts';
import type { SemaphoreOptions } from './locks/semaphore.ts';
import { Mail } from './mail/mail.ts';
import { NO_ORIGIN } from './messages/causation.ts';
import type { QueueDefinition, TopicDefinition } from './messages/definitions.ts';
import type { Middleware } from './middleware.ts';
import type { AnyQueue, AnyTopic } from './operations.ts';
import type { BusOptions } from './options.ts';
import type { AgentParts } from './parts.ts';
import type { AgentInfo } from './registry/agent-info.ts';
import { type LogLine, readLogs } from './registry/agent-log.ts';
import type { AgentOptions } from './registry/agent-options.ts';
import { Heartbeats } from './registry/heartbeats.ts';
import { AgentChooser } from './registry/least-loaded.ts';
import { type OnPresence, watchPresence } from './registry/presence-watch.ts';
import { type AgentFilter, type ForgetOptions, Registry } from './registry/registry.ts';
import { Requests } from './requests/requests.ts';
import { CallsOverQueues } from './rpc/client.ts';
import { BusKernel } from './runtime.ts';
import { Sender } from './sender.ts';
import { type BusStats, Statistics, type StatsOptions } from './stats.ts';
import type { TaskHandle } from './tasks/task-handle.ts';
import { type EnqueueAllOptions, type TaskHandler, Tasks } from './tasks/tasks.ts';
import type { Worker, WorkerOptions } from './tasks/worker.ts';
import { within } from './within.ts';

/** How to end a bus. */
export interface CloseBusOptions {
  /** How long handlers that run may go on, 0 to 2^31-1. Then their signal fires and their messages are given back. Default 5,000. */
  readonly drainMs?: number;
  /** `release` (default): give back what is still leased. `keep`: leave it to its lease, for another process to settle. */
  readonly leases?: 'release' | 'keep';
}

const DEFAULT_DRAIN_MS = 5000;

/** A message bus. What is sent through it directly is in nobody's name; agents send in theirs. */
export class Bus extends Sender implements AsyncDisposable {
  /** What carries it; open to all that the bus does not do. */
  readonly transport: Transport;
  readonly #kernel: BusKernel;
  readonly #tasks: Tasks;
  readonly #locks: Locks;
  readonly #registry: Registry;
  readonly #requests: Requests;
  readonly #parts: AgentParts;
  readonly #statistics: Statistics;
  #closed: Promise<void> | undefined;

  /** Use {@link openBus}. */
  constructor(kernel: BusKernel) {
    super(kernel, NO_ORIGIN);
    this.#kernel = kernel;
    this.transport = kernel.transport;
    this.#tasks = new Tasks(kernel);
    this.#locks = new Locks(kernel);
    this.#registry = new Registry(kernel);
    this.#statistics = new Statistics(kernel, this.#registry);
    const chooser = new AgentChooser(kernel, this.#registry);
    const mail = new Mail(kernel, this.#registry, chooser);
    const heartbeats = new Heartbeats(kernel);
    const calls = kernel.transport.calls ?? new CallsOverQueues(kernel, heartbeats);
    this.#requests = new Requests(kernel, this.#registry, chooser, calls);
    this.#parts = { registry: this.#registry, heartbeats, mail, calls };
    kernel.verbs = {
      send: (...args) => mail.send(...args),
      request: (...args) => this.#requests.request(...args),
      requestStream: (...args) => this.#requests.requestStream(...args),
      publish: (...args) => publishEvent(kernel, ...args),
      enqueue: (...args) => this.#tasks.enqueue(...args),
    };
  }

  // -------------------------------------------------------------------------------------------------------- agents

  /**
   * Opens an agent: its mailbox is there and it is online when this resolves. Many instances of one name, in any process,
   * share its mail and its requests. Rejects with INVALID_ARGUMENT for a bad name or option.
   */
  async agent(name: string, options?: AgentOptions): Promise<Agent> {
    return openAgent(this.#kernel, this.#parts, name, options);
  }

  /** Agents that are registered or online, in order of name. */
  async agents(filter?: AgentFilter): Promise<AgentInfo[]> {
    return this.#registry.list(filter);
  }

  /** Tells who is online, then each change of an agent once: online, offline, changed. Resolves when the first are told. */
  async watchAgents(onChange: OnPresence): Promise<KvWatch> {
    return watchPresence(this.#kernel, onChange);
  }

  /**
   * Deletes an agent: identity, mailbox with all mail, log. False where there was none. Rejects with CONFLICT while it is
   * online, unless `force`.
   */
  async forgetAgent(name: string, options?: ForgetOptions): Promise<boolean> {
    return this.#registry.forget(name, options);
  }

  /** The last 100 lines of an agent's log, oldest first. */
  async logs(agent: string): Promise<LogLine[]> {
    return readLogs(this.#registry, agent);
  }

  // -------------------------------------------------------------------------------------------------------- events

  /**
   * Hands every event that matches to `handler`. Live: from when this resolves (or from `from` on), in order, one at a
   * time; what the handler throws goes to `onError`. Durable: queue rules, at least once, `concurrency` at a time.
   */
  subscribe<In, Out>(
    topic: TopicDefinition<In, Out>,
    options: BusSubscribeOptions,
    handler: EventHandler<Out>,
  ): Promise<BusSubscription>;
  subscribe<In, Out>(topic: TopicDefinition<In, Out>, handler: EventHandler<Out>): Promise<BusSubscription>;
  subscribe<T = unknown>(
    pattern: string,
    options: BusSubscribeOptions,
    handler: EventHandler<T>,
  ): Promise<BusSubscription>;
  subscribe<T = unknown>(pattern: string, handler: EventHandler<T>): Promise<BusSubscription>;
  async subscribe(
    pattern: string | AnyTopic,
    options: BusSubscribeOptions | EventHandler<never>,
    handler?: EventHandler<never>,
  ): Promise<BusSubscription> {
    const [given, run] = split<BusSubscribeOptions, EventHandler<never>>(options, handler);
    return subscribe(this.#kernel, pattern, given, run);
  }

  /** Ends the durable subscription of that name, with the events nobody has handled and its dead letters. False where there was none. */
  async unsubscribe(durable: string, options?: CallOptions): Promise<boolean> {
    return unsubscribe(this.#kernel, durable, options);
  }

  /** Reads the events that match and are there now, oldest first, and ends. What comes meanwhile is not among them. */
  history<T = unknown>(pattern: string, options?: HistoryOptions): AsyncGenerator<Received<T>, void, void> {
    return readHistory(this.#kernel, pattern, options) as AsyncGenerator<Received<T>, void, void>;
  }

  // --------------------------------------------------------------------------------------------------------- tasks

  /** Puts many tasks in with one call of the transport. Rejects where any was not stored, and says how many. */
  enqueueAll<TaskIn, TaskOut, ResultIn, ResultOut>(
    queue: QueueDefinition<TaskIn, TaskOut, ResultIn, ResultOut>,
    bodies: readonly TaskIn[],
    options?: EnqueueAllOptions<TaskIn>,
  ): Promise<TaskHandle<ResultOut>[]>;
  enqueueAll<T = unknown, R = unknown>(
    queue: string,
    bodies: readonly T[],
    options?: EnqueueAllOptions<T>,
  ): Promise<TaskHandle<R>[]>;
  async enqueueAll(
    queue: string | AnyQueue,
    bodies: readonly unknown[],
    options?: EnqueueAllOptions<never>,
  ): Promise<TaskHandle<unknown>[]> {
    return this.#tasks.enqueueAll(NO_ORIGIN, queue, bodies, options);
  }

  /**
   * Takes tasks from a queue, each by one worker at a time. A handler that resolves acks, and what it returns is the
   * task's result; one that throws is tried again with back-off, a RejectError not.
   */
  process<TaskIn, TaskOut, ResultIn, ResultOut>(
    queue: QueueDefinition<TaskIn, TaskOut, ResultIn, ResultOut>,
    options: WorkerOptions,
    handler: TaskHandler<TaskOut, ResultIn>,
  ): Promise<Worker>;
  process<TaskIn, TaskOut, ResultIn, ResultOut>(
    queue: QueueDefinition<TaskIn, TaskOut, ResultIn, ResultOut>,
    handler: TaskHandler<TaskOut, ResultIn>,
  ): Promise<Worker>;
  process<T = unknown, R = unknown>(queue: string, options: WorkerOptions, handler: TaskHandler<T, R>): Promise<Worker>;
  process<T = unknown, R = unknown>(queue: string, handler: TaskHandler<T, R>): Promise<Worker>;
  async process(
    queue: string | AnyQueue,
    options: WorkerOptions | TaskHandler<never, unknown>,
    handler?: TaskHandler<never, unknown>,
  ): Promise<Worker> {
    const [given, run] = split<WorkerOptions, TaskHandler<never, unknown>>(options, handler);
    return this.#tasks.process(queue, given, run);
  }

  /** The ticket of a task that somebody put in, by its id. Throws INVALID_ARGUMENT for what is no id of a task. */
  task<R = unknown>(id: string): TaskHandle<R> {
    return this.#tasks.ticket(id) as TaskHandle<R>;
  }

  /** The dead letters of a queue, or of an agent's mailbox where the name is an agent's (`@…`). */
  deadLetters(name: string): DeadLetters {
    return new DeadLetters(this.transport, this.#kernel.bodies, name);
  }

  // --------------------------------------------------------------------------------------------------------- locks

  /**
   * Takes a lock: one holder at a time among all processes. It renews itself until it is released; with `work` it is
   * released when that is over. Not re-entrant: who holds it and asks again waits for itself. Rejects with TIMEOUT when
   * `waitMs` is over, CONFLICT at once where that is 0, ABORTED; with `work`, LEASE_LOST when it was lost before `work` was over.
   */
  lock(name: string, options?: LockOptions): Promise<Lock>;
  lock<T>(name: string, options: LockOptions, work: (lock: Lock) => T | Promise<T>): Promise<T>;
  lock<T>(name: string, work: (lock: Lock) => T | Promise<T>): Promise<T>;
  async lock(name: string, options?: LockOptions | Work, work?: Work): Promise<unknown> {
    if (typeof options === 'function') return this.#locks.lock(name, undefined, options);
    return this.#locks.lock(name, options, work);
  }

  /** Takes one of `permits` slots, which `permits` holders may have at once; otherwise like {@link Bus.lock}. */
  semaphore(name: string, options: SemaphoreOptions): Promise<Lock>;
  semaphore<T>(name: string, options: SemaphoreOptions, work: (lock: Lock) => T | Promise<T>): Promise<T>;
  async semaphore(name: string, options: SemaphoreOptions, work?: Work): Promise<unknown> {
    return this.#locks.semaphore(name, options, work);
  }

  /** Who holds the lock of that name; undefined when nobody does. */
  async holder(name: string): Promise<LockHolder | undefined> {
    return this.#locks.holder(name);
  }

  // ---------------------------------------------------------------------------------------------------------- life

  /** What the queues hold, how fast they move, how long requests take, and who has how much to do. */
  async stats(options?: StatsOptions): Promise<BusStats> {
    return this.#statistics.measure(options);
  }

  /** Adds middleware inside of what is there. It runs around what begins from now on. */
  use(middleware: Middleware): this {
    this.#kernel.middleware.add(middleware);
    return this;
  }

  /**
   * Takes nothing new (mail, requests, events, tasks) and lets agents go offline; sending goes on. Resolves when what is
   * handled is over, with false when that was not so within `timeoutMs` (default: for ever).
   */
  async drain(timeoutMs?: number): Promise<boolean> {
    checkDuration(timeoutMs, 'timeoutMs', { min: 0, max: MAX_TIMER_MS });
    const drained = this.#kernel.lifetime.drain();
    if (timeoutMs !== undefined) return within(drained, timeoutMs);
    await drained;
    return true;
  }

  /**
   * Ends the bus and its transport: handlers finish, agents go offline, locks are released. Idempotent. Not to be awaited
   * inside of its own handlers, for which it waits.
   */
  close(options?: CloseBusOptions): Promise<void> {
    checkOptions(options, ['drainMs', 'leases'], 'close options');
    checkDuration(options?.drainMs, 'drainMs', { min: 0, max: MAX_TIMER_MS });
    checkOneOf(options?.leases, 'leases', ['release', 'keep']);
    this.#closed ??= this.#close(options?.drainMs ?? DEFAULT_DRAIN_MS, options?.leases ?? 'release');
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(drainMs: number, held: 'release' | 'keep'): Promise<void> {
    const { lifetime, leases, settings, transport } = this.#kernel;
    await lifetime.close(drainMs, (error) => this.#kernel.report(error, 'close'));
    leases.close();
    if (settings.ownsTransport) await transport.close({ leases: held });
  }
}

type Work = (lock: Lock) => unknown;

type Handler = (first: never, second: never) => unknown;

/** Options may be left out before a handler. */
function split<O extends object, H extends Handler>(options: O | H | undefined, handler: H | undefined): [O, H] {
  const [given, run] = typeof options === 'function' ? [undefined, options] : [options, handler];
  checkFunction(run, 'handler');
  return [given ?? ({} as O), run as H];
}

/** A bus over `transport`, which it owns from now on (unless `ownsTransport` is false). Throws INVALID_ARGUMENT. */
export function openBus(transport: Transport, options: BusOptions = {}): Bus {
  return new Bus(new BusKernel(transport, options));
}
