/** The bus: one object over any transport. */

import type { CallOptions } from '../contract/call-options.ts';
import type { Calls } from '../contract/calls.ts';
import { invalid } from '../contract/errors.ts';
import type { KvWatch } from '../contract/kv.ts';
import type { Transport } from '../contract/transport.ts';
import { checkFunction, checkOneOf } from '../contract/validation.ts';
import { type Agent, type AgentDependencies, openAgent } from './agent.ts';
import type { ReceivedMessage } from './consuming/received.ts';
import { type DeadLetterSource, type DeadLetters, openDeadLetters } from './dead-letters.ts';
import { publishEvent } from './events/events.ts';
import { type HistoryOptions, readHistory } from './events/history.ts';
import {
  type EventHandler,
  type SubscribeOptions,
  type Subscription,
  subscribe,
  unsubscribe,
} from './events/subscriptions.ts';
import { Flows } from './flows/flows.ts';
import { type BusHealth, checkHealth } from './health.ts';
import type { Lock, LockHolder } from './locks/lock.ts';
import type { LockOptions, SemaphoreOptions } from './locks/lock-options.ts';
import { Locks, type LockWork } from './locks/locks.ts';
import { Mail } from './mail/mail.ts';
import { NO_ORIGIN } from './messages/causation.ts';
import type {
  BodyOutput,
  InputAt,
  OutputAt,
  ProgressInput,
  QueueDefinition,
  QueueSchemas,
  ResultInput,
  TaskOutput,
  TopicDefinition,
} from './messages/definitions.ts';
import type { SchemaOutput, StandardSchema } from './messages/schema.ts';
import type { Middleware } from './middleware.ts';
import type { BusEvents } from './observing/bus-events.ts';
import { type Operations, OriginSender, type Sender } from './operations.ts';
import { type BusOptions, type CloseOptions, checkClose, type DrainOptions, drainWithin } from './options.ts';
import type { AgentInfo } from './registry/agent-info.ts';
import { type LogLine, readLogs } from './registry/agent-log.ts';
import type { AgentOptions } from './registry/agent-options.ts';
import { Heartbeats } from './registry/heartbeats.ts';
import { LeastLoadedSelector } from './registry/least-loaded.ts';
import { type OnPresence, watchWithin } from './registry/presence-watch.ts';
import { type AgentFilter, type ForgetOptions, Registry } from './registry/registry.ts';
import type { ReplyStream } from './requests/options.ts';
import { type CallWays, Requests } from './requests/requests.ts';
import { RpcClient } from './rpc/client.ts';
import { BusRuntime } from './runtime.ts';
import { type Schedules, SchedulesImpl } from './schedules/schedules.ts';
import { type BusStats, Statistics, type StatsOptions } from './stats.ts';
import type { BatchHandler } from './tasks/batches.ts';
import { type HeldTask, heldTask, type TakenTask, type TakeOptions, takeTasks } from './tasks/held-task.ts';
import type { TaskHandle } from './tasks/task-handle.ts';
import { type TaskQueue, TaskQueues } from './tasks/task-queue.ts';
import { type EnqueueAllOptions, Tasks } from './tasks/tasks.ts';
import {
  type AnyTaskHandler,
  type BatchWorkerOptions,
  startWorker,
  type TaskHandler,
  type Worker,
  type WorkerOptions,
} from './tasks/worker.ts';

/** How to close a bus. */
export interface CloseBusOptions extends CloseOptions {
  /** What happens to leases that are still held: `release` (default) returns the messages, `keep` leaves them to their leases. */
  readonly leases?: 'release' | 'keep' | undefined;
}

/** A message bus. Messages sent by the bus itself have no `from`; an agent's messages carry its name. */
export interface Bus extends Sender, AsyncDisposable {
  /** The transport below, for everything that the bus does not offer. */
  readonly transport: Transport;
  /** Life-cycle events of this bus: its messages, tasks, agents and connection. */
  readonly events: BusEvents;
  /** Messages at planned times. */
  readonly schedules: Schedules;

  /**
   * Opens an agent. When this resolves, its inbox exists (created if needed) and it is online. Instances of one name, in any
   * process, share its messages and its requests. Rejects with INVALID_ARGUMENT for a bad name or option.
   */
  agent(name: string, options?: AgentOptions): Promise<Agent>;
  /** Lists agents that are registered or online, in order of name. */
  agents(filter?: AgentFilter): Promise<AgentInfo[]>;
  /**
   * Reports each online agent, then each change: online, offline, changed. Resolves after the agents online now are reported.
   * `options` bound the opening of the watch, which goes on until it is closed.
   */
  watchAgents(onChange: OnPresence, options?: CallOptions): Promise<KvWatch>;
  /**
   * Deletes an agent: its identity, its inbox with all messages, its log. Resolves with false when it did not exist. Rejects
   * with CONFLICT while the agent is online, unless `force`: then its live instances register again, with an empty inbox.
   */
  forgetAgent(name: string, options?: ForgetOptions): Promise<boolean>;
  /** The last 100 lines of an agent's log, oldest first. */
  agentLogs(agent: string, options?: CallOptions): Promise<LogLine[]>;

  /**
   * Passes every event that matches to `handler`. A live subscription sees events from now on (or from `from`), in order,
   * one at a time; errors of the handler go to `onError`. A durable one (`durableName`) follows the rules of queues: at
   * least once, `concurrency` at a time.
   */
  subscribe<T = unknown>(pattern: string, handler: EventHandler<T>, options?: SubscribeOptions): Promise<Subscription>;
  subscribe<D extends string | TopicDefinition>(
    topic: D,
    handler: EventHandler<BodyOutput<D>>,
    options?: SubscribeOptions,
  ): Promise<Subscription>;
  /**
   * Deletes a durable subscription with its unhandled events and its dead letters. Close its subscribers first: open ones get
   * no more events. Resolves with false when it did not exist.
   */
  unsubscribe(durableName: string, options?: CallOptions): Promise<boolean>;
  /**
   * Reads the stored events that match, oldest first, and ends at the last event stored when it began. A definition checks
   * each body; an event that does not match its schema rejects with INVALID_ARGUMENT.
   */
  history<T = unknown>(pattern: string, options?: HistoryOptions): AsyncGenerator<ReceivedMessage<T>, void, void>;
  history<S extends StandardSchema>(
    topic: TopicDefinition<S>,
    options?: HistoryOptions,
  ): AsyncGenerator<ReceivedMessage<SchemaOutput<S>>, void, void>;

  /** Adds many tasks in one call of the transport. Rejects when any task was not stored, and says how many. */
  enqueueAll<T = unknown, R = unknown>(
    queue: string,
    bodies: readonly T[],
    options?: EnqueueAllOptions<T>,
  ): Promise<TaskHandle<R>[]>;
  enqueueAll<S extends QueueSchemas>(
    queue: QueueDefinition<S>,
    bodies: readonly InputAt<S, 'task'>[],
    options?: EnqueueAllOptions<InputAt<S, 'task'>>,
  ): Promise<TaskHandle<OutputAt<S, 'result'>, OutputAt<S, 'progress'>>[]>;
  /**
   * Takes tasks from a queue; one worker handles a task at a time. When the handler resolves, the task is done and the value
   * is its result. When it throws, the task is retried with backoff; a RejectError makes it a dead letter at once. With `batch`
   * the handler gets several tasks and returns a result for each.
   */
  process<T = unknown, R = unknown>(
    queue: string,
    handler: BatchHandler<T, R>,
    options: BatchWorkerOptions,
  ): Promise<Worker>;
  process<S extends QueueSchemas>(
    queue: QueueDefinition<S>,
    handler: BatchHandler<OutputAt<S, 'task'>, InputAt<S, 'result'>>,
    options: BatchWorkerOptions,
  ): Promise<Worker>;
  process<T = unknown, R = unknown>(
    queue: string,
    handler: TaskHandler<T, R>,
    options?: WorkerOptions,
  ): Promise<Worker>;
  process<Q extends string | QueueDefinition>(
    queue: Q,
    handler: TaskHandler<TaskOutput<Q>, ResultInput<Q>, ProgressInput<Q>>,
    options?: WorkerOptions,
  ): Promise<Worker>;
  /** The handle of a task, by the `id` of the handle that `enqueue` gave. Throws INVALID_ARGUMENT for an id of another queue. */
  task<R = unknown>(queue: string, id: string): TaskHandle<R>;
  task<S extends QueueSchemas>(
    queue: QueueDefinition<S>,
    id: string,
  ): TaskHandle<OutputAt<S, 'result'>, OutputAt<S, 'progress'>>;
  /** A queue: lists its tasks, has its settings, pauses and resumes it. Throws INVALID_ARGUMENT for a bad name. */
  queue(queue: string | QueueDefinition): TaskQueue;
  /**
   * Takes up to `max` tasks without a handler, as soon as one is present, or none after `waitMs`. Settle each before its lease
   * ends. The schemas of a definition are not applied.
   */
  takeTasks<T = unknown>(queue: string | QueueDefinition, options?: TakeOptions): Promise<TakenTask<T>[]>;
  /** A task that any process took, by its receipt. Throws INVALID_ARGUMENT for another text. */
  heldTask(receipt: string): HeldTask;
  /** The dead letters of a queue, of an agent's inbox or of a durable subscription. */
  deadLetters(source: DeadLetterSource): DeadLetters;

  /**
   * Takes a lock: one holder at a time among all processes. The lock renews itself until it is released; with `work` it is
   * released when `work` ends. It is not re-entrant: a holder that asks again waits for itself. Rejects with TIMEOUT after
   * `waitMs`, with CONFLICT at once when `waitMs` is 0, with ABORTED; with `work`, with LEASE_LOST when it lost the lock.
   */
  lock<T>(name: string, work: (lock: Lock) => T | Promise<T>, options?: LockOptions): Promise<T>;
  lock(name: string, options?: LockOptions): Promise<Lock>;
  /** Takes one of `permits` slots, which up to `permits` holders share; otherwise like {@link Bus.lock}. */
  semaphore<T>(name: string, work: (lock: Lock) => T | Promise<T>, options: SemaphoreOptions): Promise<T>;
  semaphore(name: string, options: SemaphoreOptions): Promise<Lock>;
  /** The holder of a lock; undefined when the lock is free. */
  lockHolder(name: string, options?: CallOptions): Promise<LockHolder | undefined>;

  /**
   * Asks the store for one key, for up to `timeoutMs` (default 5,000). A store that does not answer is a result, not a
   * rejection.
   */
  health(options?: CallOptions): Promise<BusHealth>;
  /** Measures queues, their rates, response times and the load of agents. */
  stats(options?: StatsOptions): Promise<BusStats>;
  /** Adds middleware inside the middleware that is present. It applies to operations that begin later. */
  use(middleware: Middleware): Bus;
  /**
   * Stops taking messages, requests, events and tasks, and takes agents offline; sending goes on. Resolves with true when
   * all running handlers have ended, with false after `timeoutMs`.
   */
  drain(options?: DrainOptions): Promise<boolean>;
  /**
   * Closes the bus and its transport: handlers finish, agents go offline, locks are released. Idempotent. Do not await it
   * in a handler of this bus: it waits for that handler.
   */
  close(options?: CloseBusOptions): Promise<void>;
}

/** The parts of one bus, made in the order in which they need each other. */
interface BusParts extends AgentDependencies {
  readonly runtime: BusRuntime;
  readonly tasks: Tasks;
  readonly queues: TaskQueues;
  readonly locks: Locks;
  readonly schedules: Schedules;
  readonly statistics: Statistics;
}

class BusImpl extends OriginSender implements Bus {
  readonly transport: Transport;
  readonly #parts: BusParts;
  #closed: Promise<void> | undefined;

  constructor(parts: BusParts) {
    super(parts.operations, NO_ORIGIN);
    this.transport = parts.runtime.transport;
    this.#parts = parts;
  }

  get events(): BusEvents {
    return this.#parts.runtime.events;
  }

  get schedules(): Schedules {
    return this.#parts.schedules;
  }

  async agent(name: string, options?: AgentOptions): Promise<Agent> {
    return openAgent(this.#parts.runtime, this.#parts, name, options);
  }

  async agents(filter?: AgentFilter): Promise<AgentInfo[]> {
    return this.#parts.registry.list(filter);
  }

  async watchAgents(onChange: OnPresence, options?: CallOptions): Promise<KvWatch> {
    const { runtime } = this.#parts;
    const { transport, shutdown } = runtime;
    const host = {
      ...{ kv: transport.kv, shutdown, assertOpen: () => runtime.assertOpen() },
      report: (error: unknown): void => runtime.report(error, { kind: 'presence' }),
    };
    return watchWithin(host, onChange, options);
  }

  async forgetAgent(name: string, options?: ForgetOptions): Promise<boolean> {
    return this.#parts.registry.forget(name, options);
  }

  async agentLogs(agent: string, options?: CallOptions): Promise<LogLine[]> {
    return readLogs(this.#parts.registry, agent, options);
  }

  async subscribe(
    pattern: string | TopicDefinition,
    handler: EventHandler<never>,
    options?: SubscribeOptions,
  ): Promise<Subscription> {
    checkFunction(handler, 'handler');
    return subscribe(this.#parts, pattern, handler, options);
  }

  async unsubscribe(durableName: string, options?: CallOptions): Promise<boolean> {
    return unsubscribe(this.#parts.runtime, durableName, options);
  }

  history(
    topic: string | TopicDefinition,
    options?: HistoryOptions,
  ): AsyncGenerator<ReceivedMessage<never>, void, void> {
    return readHistory(this.#parts.runtime, topic, options) as AsyncGenerator<ReceivedMessage<never>, void, void>;
  }

  async enqueueAll(
    queue: string | QueueDefinition,
    bodies: readonly unknown[],
    options?: EnqueueAllOptions<never>,
  ): Promise<TaskHandle<never>[]> {
    return this.#parts.tasks.enqueueAll(NO_ORIGIN, queue, bodies, options) as Promise<TaskHandle<never>[]>;
  }

  async process(
    queue: string | QueueDefinition,
    handler: AnyTaskHandler,
    options?: WorkerOptions | BatchWorkerOptions,
  ): Promise<Worker> {
    checkFunction(handler, 'handler');
    return startWorker(this.#parts, queue, handler, options);
  }

  task(queue: string | QueueDefinition, id: string): TaskHandle<never> {
    return this.#parts.tasks.handle(queue, id) as TaskHandle<never>;
  }

  queue(queue: string | QueueDefinition): TaskQueue {
    return this.#parts.queues.open(queue);
  }

  async takeTasks(queue: string | QueueDefinition, options?: TakeOptions): Promise<TakenTask<never>[]> {
    return takeTasks(this.#parts, queue, options) as Promise<TakenTask<never>[]>;
  }

  heldTask(receipt: string): HeldTask {
    return heldTask(this.#parts.runtime, receipt);
  }

  deadLetters(source: DeadLetterSource): DeadLetters {
    return openDeadLetters(this.#parts.runtime, source);
  }

  async lock(name: string, work?: LockWork | LockOptions, options?: LockOptions): Promise<never> {
    return this.#parts.locks.lock(name, ...optionsLast(work, options)) as Promise<never>;
  }

  async semaphore(name: string, work: LockWork | SemaphoreOptions, options?: SemaphoreOptions): Promise<never> {
    return this.#parts.locks.semaphore(name, ...optionsLast(work, options)) as Promise<never>;
  }

  async lockHolder(name: string, options?: CallOptions): Promise<LockHolder | undefined> {
    return this.#parts.locks.holder(name, options);
  }

  health(options?: CallOptions): Promise<BusHealth> {
    return checkHealth(this.#parts.runtime, options);
  }

  async stats(options?: StatsOptions): Promise<BusStats> {
    return this.#parts.statistics.measure(options);
  }

  use(middleware: Middleware): Bus {
    this.#parts.runtime.middleware.add(middleware);
    return this;
  }

  drain(options?: DrainOptions): Promise<boolean> {
    return drainWithin(options, () => this.#parts.runtime.shutdown.drain());
  }

  close(options?: CloseBusOptions): Promise<void> {
    const drainMs = checkClose(options, ['drainMs', 'leases']);
    checkOneOf(options?.leases, 'leases', ['release', 'keep']);
    this.#closed ??= this.#close(drainMs, options?.leases ?? 'release');
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(drainMs: number, held: 'release' | 'keep'): Promise<void> {
    const { runtime } = this.#parts;
    runtime.declarations.close();
    await runtime.shutdown.close(drainMs, (error) => runtime.report(error, { kind: 'close' }));
    runtime.leases.close();
    if (runtime.settings.ownsTransport) await runtime.transport.close({ leases: held });
  }
}

/** The work and the options of a lock. Work may be left out. */
function optionsLast<O>(work: LockWork | O, options: O | undefined): [LockWork | undefined, O | undefined] {
  if (typeof work !== 'object') return [work as LockWork, options];
  if (options !== undefined) throw invalid('options of a lock come last', 'Write (name, work, options).');
  return [undefined, work];
}

function waysOf({ calls }: Transport, overQueues: Calls): CallWays {
  if (calls === undefined) return [overQueues];
  return calls.reach === undefined ? [calls] : [calls, overQueues];
}

/** Opens a bus over `transport` and owns it (unless `ownsTransport` is false). Throws INVALID_ARGUMENT. */
export function openBus(transport: Transport, options: BusOptions = {}): Bus {
  const runtime = new BusRuntime(transport, options);
  const registry = new Registry(runtime);
  const heartbeats = new Heartbeats(runtime);
  const selector = new LeastLoadedSelector(runtime, registry);
  const mail = new Mail(runtime, registry, selector);
  const calls = waysOf(transport, new RpcClient(runtime, heartbeats));
  const requests = new Requests(runtime, registry, selector, calls);
  const queues = new TaskQueues(runtime);
  const tasks = new Tasks(runtime, queues);
  const flows = new Flows(runtime, tasks);
  const operations: Operations = {
    send: (...args) => mail.send(...args),
    request: (...args) => requests.request(...args) as Promise<never>,
    requestStream: (...args) => requests.requestStream(...args) as ReplyStream<never, never>,
    publish: (...args) => publishEvent(runtime, ...args),
    enqueue: (...args) => tasks.enqueue(...args) as Promise<TaskHandle<never>>,
    flow: (...args) => flows.begin(...args) as Promise<TaskHandle<never, never>>,
  };
  const locks = new Locks(runtime);
  const schedules = new SchedulesImpl({ runtime, registry, operations, locks, queues });
  const statistics = new Statistics(runtime, registry);
  const parts = { runtime, registry, heartbeats, mail, calls, operations };
  return new BusImpl({ ...parts, tasks, queues, locks, schedules, statistics });
}
