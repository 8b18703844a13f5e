/** One queue of tasks for operators and set-up code: lists its tasks, and has its settings. */

import type { BrowsedMessage, MessageState, QueueInfo } from '../../contract/admin.ts';
import type { CallOptions } from '../../contract/call-options.ts';
import type { AttemptRecord } from '../../contract/message.ts';
import { checkOneOf, checkOptions } from '../../contract/validation.ts';
import { type ReceivedMessage, toReadable } from '../consuming/received.ts';
import { awaitedChild } from '../flows/awaited-child.ts';
import type { QueueDefinition } from '../messages/definitions.ts';
import type { BusRuntime } from '../runtime.ts';
import { toQueueDefinition } from './enqueue-options.ts';
import {
  checkTaskQueueSettings,
  encodeLimit,
  limitKey,
  type RateLimit,
  readLimit,
  type TaskQueueSettings,
} from './queue-settings.ts';
import { hasExpired } from './task-state.ts';

/** The state of a task that is in its queue. `waiting`: for its children. */
export type ListedTaskState = 'queued' | 'delayed' | 'waiting' | 'running' | 'dead';

/** Which tasks to list. */
export interface TaskQuery extends CallOptions {
  /**
   * Only tasks in this state. Default: all that the queue has. With `delayed` or `waiting` a page can have fewer than `limit`
   * tasks though more follow.
   */
  readonly state?: ListedTaskState | undefined;
  /** Only tasks of this type, 1 to 255 characters. Then a page can have fewer than `limit` tasks though more follow. */
  readonly type?: string | undefined;
  /** Only tasks with these ids, at most 1,000. */
  readonly ids?: readonly string[] | undefined;
  /** The most tasks of a page, 1 to 1,000. Default 100. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly after?: string | undefined;
}

/** A task of a queue at one moment. `attempt` counts its deliveries, 0 before the first. A body that cannot be decoded stays bytes. */
export interface ListedTask<T = unknown> extends ReceivedMessage<T> {
  readonly queue: string;
  readonly state: ListedTaskState;
  /** Of a delayed task: the time until it may start; of a waiting one until it looks at its children. */
  readonly delayLeftMs: number | undefined;
  /** Of a waiting task: the id of a child that has not ended. Those after it in the flow have. */
  readonly waitsFor: string | undefined;
  /** Of a running task: the time until its lease ends, unless it is renewed. */
  readonly leaseLeftMs: number | undefined;
  /** Of a running task: the consumer that has it. */
  readonly consumer: string | undefined;
  /** The time until it expires. */
  readonly ttlLeftMs: number | undefined;
  /** Its last 20 ended attempts, oldest first. */
  readonly history: readonly AttemptRecord[];
  /** Of a dead task: the reason, and when it died, in milliseconds since 1970. */
  readonly dead: BrowsedMessage['dead'];
}

/** One page of tasks, in the order of their delivery; the dead ones last, oldest first. */
export interface TaskPage<T = unknown> {
  readonly tasks: readonly ListedTask<T>[];
  /** The `after` of the next page; undefined after the last. */
  readonly next: string | undefined;
}

/** A queue of tasks at one moment. */
export interface TaskQueueInfo extends QueueInfo {
  /** How many tasks may start in a time; undefined without a limit. */
  readonly rateLimit: RateLimit | undefined;
}

/** One queue of tasks. */
export interface TaskQueue<T = unknown> {
  readonly name: string;
  /**
   * Lists tasks that wait, run or are dead, without taking them. A task that has ended is not in its queue:
   * `bus.task(queue, id)` has its result.
   */
  tasks(query?: TaskQuery): Promise<TaskPage<T>>;
  /** Its settings, and how many tasks it has in each state; undefined for a queue that does not exist. */
  info(options?: CallOptions): Promise<TaskQueueInfo | undefined>;
  /**
   * Creates the queue if needed, and sets the given settings for all its users. Other settings stay as they are. While the bus is
   * open it sets them again after the store has lost data.
   */
  configure(settings: TaskQueueSettings, options?: CallOptions): Promise<void>;
  /** Stops deliveries for all workers, in any process. Tasks still enter, and running ones go on. */
  pause(options?: CallOptions): Promise<void>;
  /** Starts deliveries again. */
  resume(options?: CallOptions): Promise<void>;
}

const BOUNDS = ['timeoutMs', 'signal'];
const STATES: Readonly<Record<MessageState, Exclude<ListedTaskState, 'waiting'>>> = {
  ready: 'queued',
  delayed: 'delayed',
  leased: 'running',
  dead: 'dead',
};
const MESSAGE_STATES = Object.keys(STATES) as MessageState[];

/** The queues of one bus. */
export class TaskQueues {
  readonly #runtime: BusRuntime;
  /** The settings of definitions that this bus has set, or sets now. */
  readonly #prepared = new Map<
    string,
    { readonly settings: TaskQueueSettings; isDone: boolean; readonly done: Promise<void> }
  >();
  /** What this bus has configured, by queue. */
  readonly #settings = new Map<string, TaskQueueSettings>();

  constructor(runtime: BusRuntime) {
    this.#runtime = runtime;
  }

  /** Throws INVALID_ARGUMENT. */
  open(queue: string | QueueDefinition): TaskQueue {
    const { queue: name } = toQueueDefinition(queue);
    const { transport } = this.#runtime;
    return {
      name,
      tasks: (query) => this.#list(name, query),
      info: (options) => this.#info(name, checkBounds(options)),
      configure: (settings, options) => this.#configure(name, settings, options),
      pause: async (options) => transport.queues.configure(name, { paused: true }, options),
      resume: async (options) => transport.queues.configure(name, { paused: false }, options),
    };
  }

  /** Sets the settings of a definition once; undefined when they are set, or there are none. */
  prepare({ queue: name, settings }: QueueDefinition): Promise<void> | undefined {
    if (settings === undefined) return undefined;
    const known = this.#prepared.get(name);
    if (known?.settings === settings) return known.isDone ? undefined : known.done;
    const done = this.#configure(name, settings, undefined);
    const entry = { settings, isDone: false, done };
    this.#prepared.set(name, entry);
    done.then(
      () => {
        entry.isDone = true;
      },
      () => void this.#prepared.delete(name),
    );
    return done;
  }

  async #info(name: string, bounds: CallOptions | undefined): Promise<TaskQueueInfo | undefined> {
    const { admin, kv } = this.#runtime.transport;
    const [[info], entry] = await Promise.all([
      admin.queues({ ...bounds, names: [name] }),
      kv.get(limitKey(name), bounds),
    ]);
    return info && { ...info, rateLimit: entry && readLimit(entry).limit };
  }

  async #configure(name: string, settings: TaskQueueSettings, options: CallOptions | undefined): Promise<void> {
    const { declarations } = this.#runtime;
    const { resets } = declarations;
    await this.#apply(name, settings, options);
    const known = this.#settings.get(name);
    this.#settings.set(name, { ...known, ...settings });
    if (known !== undefined) return;
    const declare = (): Promise<void> => this.#apply(name, this.#settings.get(name));
    declarations.add({ kind: 'task', queue: name }, declare, resets);
  }

  async #apply(name: string, settings: TaskQueueSettings | undefined, options?: CallOptions): Promise<void> {
    checkTaskQueueSettings(settings);
    const { rateLimit, ...others } = settings ?? {};
    const { queues, kv } = this.#runtime.transport;
    await queues.configure(name, others, options);
    if (rateLimit === 'none') await kv.delete(limitKey(name), options);
    else if (rateLimit !== undefined) await kv.put(limitKey(name), encodeLimit(rateLimit, false), options);
  }

  async #list(queue: string, query: TaskQuery | undefined): Promise<TaskPage> {
    checkOptions(query, ['state', 'type', 'ids', 'limit', 'after', ...BOUNDS], 'task query');
    checkOneOf(query?.state, 'state', [...Object.values(STATES), 'waiting']);
    const stored = query?.state === 'waiting' ? 'delayed' : query?.state;
    const state = MESSAGE_STATES.find((one) => STATES[one] === stored);
    const { transport } = this.#runtime;
    const { timeoutMs, signal } = query ?? {};
    const { messages, next } = await transport.admin.browse(queue, { ...query, state });
    const present = messages.filter((one) => !hasExpired(one));
    const awaited = await Promise.all(present.map((one) => awaitedChild(transport, one, { timeoutMs, signal })));
    const tasks = await Promise.all(present.map((one, index) => this.#toListed(queue, one, awaited[index])));
    return { tasks: tasks.filter((task) => query?.state === undefined || task.state === query.state), next };
  }

  async #toListed(
    queue: string,
    { message, state, attempts, ...rest }: BrowsedMessage,
    waitsFor: string | undefined,
  ): Promise<ListedTask> {
    const { delayLeftMs, leaseLeftMs, consumer, ttlLeftMs, history, dead } = rest;
    const shown = waitsFor === undefined ? STATES[state] : 'waiting';
    return {
      ...(await toReadable(this.#runtime.bodyCodec, { ...message, attempt: attempts })),
      ...{ queue, state: shown, delayLeftMs, waitsFor, leaseLeftMs, consumer, ttlLeftMs, history, dead },
    };
  }
}

function checkBounds(options: CallOptions | undefined): CallOptions | undefined {
  checkOptions(options, BOUNDS, 'options');
  return options;
}
