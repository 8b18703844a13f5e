/** Enqueues tasks and finds their handles. */

import { requireFeature } from '../../contract/capabilities.ts';
import { MAX_BATCH } from '../../contract/defaults.ts';
import { BusbarError, invalid, toBusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { MessageInput } from '../../contract/message.ts';
import { quote } from '../../contract/names.ts';
import type { SendResult } from '../../contract/queues.ts';
import { checkArray } from '../../contract/validation.ts';
import { TickBatcher } from '../../driver-kit/tick-batcher.ts';
import { attemptsHeader } from '../consuming/failure.ts';
import { cancelWaiting } from '../flows/cancel-waiting.ts';
import { FLOW_HEADER } from '../flows/flow-id.ts';
import type { Origin } from '../messages/causation.ts';
import type { QueueDefinition } from '../messages/definitions.ts';
import { toBounds } from '../messages/message-options.ts';
import { validate, validateSent } from '../messages/schema.ts';
import { type BusRuntime, type OutgoingDraft, type OwnInput, toStored } from '../runtime.ts';
import { checkEnqueueOptions, type EnqueueOptions, taskFields, toQueueDefinition } from './enqueue-options.ts';
import { ReplacedTasks } from './replaced-tasks.ts';
import { queueOfTask, type TaskHandle, type TaskHandleDependencies, TaskHandleImpl } from './task-handle.ts';
import type { TaskQueues } from './task-queue.ts';
import { taskKey } from './task-record.ts';
import { TaskTrackers } from './task-tracker.ts';
import { UniqueTasks } from './unique-tasks.ts';

/** Options of many tasks: shared, or from a function for each. `timeoutMs` and `signal` of the first bound the call. */
export type EnqueueAllOptions<T> = EnqueueOptions | ((body: T, index: number) => EnqueueOptions | undefined);

const MAX_TASKS = 1_000_000;
const NO_OPTIONS: EnqueueOptions = Object.freeze({});
const NO_PART: FlowPart = Object.freeze({});

/** How a task of a flow differs from others. */
export interface FlowPart {
  /** Of a child: its id, which the flow decides. */
  readonly id?: string;
  /** Of a parent: the run of its flow. */
  readonly run?: string;
  /** Of a parent: the delay until its first look at its children. */
  readonly delayMs?: number;
}

/** A task before it is sent. */
export interface TaskDraft {
  readonly queue: string | QueueDefinition;
  readonly body?: unknown;
  readonly options?: EnqueueOptions | undefined;
}

/** Passes a task to the transport. */
type SendTask = (input: MessageInput & { readonly id: string }) => Promise<readonly SendResult[]>;

/** The tasks of one bus. */
export class Tasks {
  readonly #runtime: BusRuntime;
  readonly #queues: TaskQueues;
  readonly #trackers: TaskTrackers;
  readonly #replaced: ReplacedTasks;
  readonly #unique: UniqueTasks;
  /** What handles work with, by the schemas of their definition. */
  readonly #dependencies = new WeakMap<QueueDefinition['schemas'], TaskHandleDependencies<unknown>>();

  constructor(runtime: BusRuntime, queues: TaskQueues) {
    this.#runtime = runtime;
    this.#queues = queues;
    this.#replaced = new ReplacedTasks(runtime.transport, (id) => this.handle(queueOfTask(id), id));
    this.#unique = new UniqueTasks(runtime.transport);
    this.#trackers = new TaskTrackers(runtime.transport, runtime.shutdown);
  }

  async enqueue(
    origin: Origin,
    queue: string | QueueDefinition,
    body?: unknown,
    options?: EnqueueOptions,
  ): Promise<TaskHandle> {
    const definition = toQueueDefinition(queue);
    checkEnqueueOptions(options);
    const prepared = this.#queues.prepare(definition);
    if (prepared !== undefined) await prepared;
    return await this.#put(origin, definition, { queue, body, options }, (input) =>
      this.#runtime.transport.queues.send(definition.queue, [input], toBounds(options)),
    );
  }

  /** Adds a task of a flow, whose options were checked, by `send`. */
  async put(origin: Origin, draft: TaskDraft, part: FlowPart, send: SendTask): Promise<TaskHandle> {
    const definition = toQueueDefinition(draft.queue);
    const prepared = this.#queues.prepare(definition);
    if (prepared !== undefined) await prepared;
    return await this.#put(origin, definition, draft, send, part);
  }

  /** Adds many tasks in one call of the transport. Rejects when any task was not stored. */
  async enqueueAll(
    origin: Origin,
    queue: string | QueueDefinition,
    bodies: readonly unknown[],
    options?: EnqueueAllOptions<never>,
  ): Promise<TaskHandle[]> {
    const definition = toQueueDefinition(queue);
    checkArray(bodies, 'bodies', MAX_TASKS);
    const each = toEach(options);
    const all = bodies.map((body, index) => ({ body, options: each(body, index) }));
    const first = all[0]?.options;
    const prepared = this.#queues.prepare(definition);
    if (prepared !== undefined) await prepared;
    const { queues } = this.#runtime.transport;
    const batch = new TickBatcher<MessageInput, SendResult>({
      run: (name, inputs) => queues.send(name, inputs, toBounds(first)),
      maxItems: MAX_BATCH,
    });
    const outcomes = await Promise.allSettled(
      all.map(async (one) =>
        this.#put(origin, definition, { queue, ...one }, (input) => batch.call(definition.queue, [input])),
      ),
    );
    return toHandles(outcomes);
  }

  /** The handle of a task. Throws INVALID_ARGUMENT for a bad id, or an id of another queue. */
  handle(queue: string | QueueDefinition, id: string): TaskHandle {
    const name = queueOfTask(id);
    const definition = toQueueDefinition(queue);
    if (name === definition.queue) return this.#handle(id, definition, 'id');
    throw invalid(`${quote(id)} is not a task of ${definition.queue}`, 'Its queue is the part before #.');
  }

  /** Throws, or returns a promise that rejects. */
  #put(
    origin: Origin,
    definition: QueueDefinition,
    draft: TaskDraft,
    send: SendTask,
    part: FlowPart = NO_PART,
  ): Promise<TaskHandle> {
    this.#runtime.assertSending();
    const { queue, schemas } = definition;
    const checked =
      schemas.task && validateSent(this.#runtime.bodyCodec, schemas.task, draft.body, `the task of ${queue}`);
    if (checked === undefined) return this.#send(origin, definition, draft, send, part);
    return checked.then(() => this.#send(origin, definition, draft, send, part));
  }

  #send(
    origin: Origin,
    definition: QueueDefinition,
    { body, options = NO_OPTIONS }: TaskDraft,
    send: SendTask,
    part: FlowPart,
  ): Promise<TaskHandle> {
    const { queue } = definition;
    const attempts = attemptsHeader(options.maxAttempts);
    const draft: OutgoingDraft = {
      kind: 'enqueue',
      target: queue,
      type: options.type,
      body,
      options: options === NO_OPTIONS ? undefined : options,
      fields: part.delayMs === undefined ? taskFields(options) : { delayMs: part.delayMs },
      internal: part.run === undefined ? attempts : { ...attempts, [FLOW_HEADER]: part.run },
    };
    const { replaceKey } = options;
    const deliver = (input: OwnInput): Promise<TaskHandle> => this.#deliver(definition, options, part, { input, send });
    if (replaceKey === undefined) return this.#runtime.sendOut(origin, draft, deliver);
    requireFeature(this.#runtime.transport.capabilities, 'cancel');
    const place = `${queue}#${replaceKey}`;
    return this.#runtime.sendOut(origin, draft, (input) =>
      this.#replaced.send({ place, delayMs: input.delayMs ?? 0, bounds: toBounds(options) }, () =>
        deliver({ ...input }),
      ),
    );
  }

  async #deliver(
    definition: QueueDefinition,
    options: EnqueueOptions,
    part: FlowPart,
    { input, send }: { readonly input: OwnInput; readonly send: SendTask },
  ): Promise<TaskHandle> {
    const { queue } = definition;
    const { dedupeKey: key, dedupeUntilDone = false } = options;
    const sendAs = async (id: string): Promise<boolean> => {
      const clear = key === undefined ? undefined : this.#clearLater(id);
      const isStored = toStored((await send(Object.assign(input, { id })))[0]).status === 'stored';
      if (isStored && clear !== undefined) await clear();
      return isStored;
    };
    const since = key === undefined ? 0 : Date.now();
    if (dedupeUntilDone && key !== undefined) {
      const suffix = (input.id ?? newId()).slice(-8);
      const task = { queue, key, suffix, delayMs: input.delayMs ?? 0, bounds: toBounds(options) };
      const { id, isStored } = await this.#unique.send(task, sendAs);
      return this.#handle(id, definition, isStored ? since : 'duplicate');
    }
    const id = part.id ?? `${queue}#${key ?? input.id ?? newId()}`;
    return this.#handle(id, definition, (await sendAs(id)) ? since : 'duplicate');
  }

  /**
   * A dedupe key can be used again while the result of its last task is still stored. That result must not count for the
   * new task: it is read before the send and deleted after it, unless it changed.
   */
  #clearLater(id: string): () => Promise<void> {
    const { kv } = this.#runtime.transport;
    const old = kv.get(taskKey(id));
    old.catch(() => undefined);
    return async () => {
      const entry = await old;
      if (entry !== undefined) await kv.delete(entry.key, { ifRevision: entry.revision });
    };
  }

  #handle(id: string, { schemas }: QueueDefinition, source: number | 'duplicate' | 'id'): TaskHandle {
    return new TaskHandleImpl(this.#dependencies.get(schemas) ?? this.#dependenciesOf(schemas), id, source);
  }

  /** Shared by the handles of one definition. */
  #dependenciesOf(schemas: QueueDefinition['schemas']): TaskHandleDependencies<unknown> {
    const { transport, bodyCodec } = this.#runtime;
    const dependencies: TaskHandleDependencies<unknown> = {
      transport,
      bodyCodec,
      trackerOf: (queue) => this.#trackers.of(queue),
      toResult: (value, id) => validate(schemas.result, value, `the result of ${id}`),
      toProgress: (value, id) => validate(schemas.progress, value, `the progress of ${id}`),
      cancelWaiting: (task, options) => cancelWaiting(this.#runtime, task, options),
    };
    this.#dependencies.set(schemas, dependencies);
    return dependencies;
  }
}

function toEach(options: EnqueueAllOptions<never> | undefined): (body: unknown, index: number) => EnqueueOptions {
  if (typeof options !== 'function') {
    checkEnqueueOptions(options);
    if (options?.dedupeKey === undefined && options?.replaceKey === undefined) return () => options ?? {};
    throw invalid('one key for many tasks', 'Pass a function that returns the options of each task.');
  }
  return (body, index) => {
    const own = options(body as never, index);
    checkEnqueueOptions(own);
    return own ?? {};
  };
}

function toHandles(outcomes: readonly PromiseSettledResult<TaskHandle>[]): TaskHandle[] {
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
  const [first] = failures;
  if (first === undefined) return outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const error = toBusbarError(first.reason);
  if (failures.length === outcomes.length) throw error;
  const text = `${failures.length} of ${outcomes.length} tasks were not stored: ${error.message}`;
  throw new BusbarError(error.code, text, {
    outcome: 'unknown',
    retryable: error.retryable,
    cause: error,
    hint: 'Give each task a dedupeKey. Then the whole call can be repeated, and no task is stored twice.',
  });
}
