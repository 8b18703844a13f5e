/** Tasks: put in, handed to workers, found again by their ids. */

import { BusbarError, invalid, toBusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { MessageInput } from '../../contract/message.ts';
import type { SendResult } from '../../contract/transport.ts';
import { checkArray, checkFunction, describe } from '../../contract/validation.ts';
import type { Context } from '../consuming/context.ts';
import { handleDelivery } from '../consuming/handling.ts';
import type { Received } from '../consuming/received.ts';
import type { Origin } from '../messages/causation.ts';
import { toBounds } from '../messages/message-options.ts';
import { validate } from '../messages/schema.ts';
import type { AnyQueue } from '../operations.ts';
import { type BusKernel, type Draft, toStored } from '../runtime.ts';
import {
  checkEnqueueOptions,
  checkTaskQueue,
  type EnqueueOptions,
  taskFields,
  taskHeaders,
} from './enqueue-options.ts';
import { TaskBatch } from './task-batch.ts';
import { TaskWatches } from './task-ground.ts';
import { queueOfTask, TaskHandle } from './task-handle.ts';
import { DEFAULT_RESULT_TTL_MS, taskKey } from './task-record.ts';
import { TaskOutcomes } from './task-results.ts';
import { checkProcessOptions, startConsumer, Worker, type WorkerOptions } from './worker.ts';

/** Handles one task. What it returns is the task's result. */
export type TaskHandler<T, R> = (task: Received<T>, context: Context) => R | Promise<R>;

/** Options of many tasks: the same for all, or made for each. `timeoutMs` and `signal` of the first bound the whole call. */
export type EnqueueAllOptions<T> = EnqueueOptions | ((body: T, index: number) => EnqueueOptions | undefined);

const MAX_TASKS = 1_000_000;

/** The tasks of one bus. */
export class Tasks {
  readonly #kernel: BusKernel;
  readonly #watches: TaskWatches;

  constructor(kernel: BusKernel) {
    this.#kernel = kernel;
    this.#watches = new TaskWatches(kernel);
  }

  /** Puts one task in. */
  async enqueue(
    origin: Origin,
    queue: string | AnyQueue,
    body: unknown,
    options: EnqueueOptions = {},
  ): Promise<TaskHandle<unknown>> {
    const definition = toDefinition(queue);
    checkEnqueueOptions(options);
    return this.#put(origin, definition, body, options, (input) =>
      this.#kernel.transport.queues
        .send(definition.queue, [input], toBounds(options))
        .then(([result]) => toStored(result)),
    );
  }

  /** Puts many in, in one call of the transport. Rejects when any was not stored. */
  async enqueueAll(
    origin: Origin,
    queue: string | AnyQueue,
    bodies: readonly unknown[],
    options?: EnqueueAllOptions<never>,
  ): Promise<TaskHandle<unknown>[]> {
    const definition = toDefinition(queue);
    checkArray(bodies, 'bodies', MAX_TASKS);
    const each = toEach(options);
    const all = bodies.map((body, index) => ({ body, options: each(body, index) }));
    const first = all[0]?.options;
    const batch = new TaskBatch(this.#kernel.transport, definition.queue, toBounds(first));
    const outcomes = await Promise.allSettled(
      all.map((one) =>
        this.#put(origin, definition, one.body, one.options, async (input) => toStored(await batch.send(input))),
      ),
    );
    return toTickets(outcomes);
  }

  /** The ticket of a task, by its id. */
  ticket(id: string, queue?: AnyQueue): TaskHandle<unknown> {
    const name = queueOfTask(id);
    checkTaskQueue(name);
    return this.#ticket(id, queue ?? toDefinition(name), 'id');
  }

  /** Begins to take tasks. */
  async process(
    queue: string | AnyQueue,
    options: WorkerOptions | undefined,
    handler: TaskHandler<never, unknown>,
  ): Promise<Worker> {
    this.#kernel.assertOpen();
    const definition = toDefinition(queue);
    checkProcessOptions(options);
    checkFunction(handler, 'handler');
    const { queue: name, task, result } = definition;
    const where = `tasks of ${name}`;
    const { resultTtlMs = DEFAULT_RESULT_TTL_MS, ...consume } = options ?? {};
    const outcomes = new TaskOutcomes(this.#kernel, { where, resultTtlMs, schema: result });
    const plan = {
      what: `the task of ${name}`,
      scope: name,
      schema: task,
      handler,
      progress: outcomes.progress.bind(outcomes),
    };
    const consumer = await startConsumer(this.#kernel, name, consume, {
      where,
      handle: (delivery, lease) => handleDelivery(this.#kernel, plan, delivery, lease),
      onDone: (delivery, value) => outcomes.done(delivery, value),
      onFailed: (delivery, failure) => outcomes.failed(delivery, failure),
    });
    return new Worker(name, consumer);
  }

  async #put(
    origin: Origin,
    definition: AnyQueue,
    body: unknown,
    options: EnqueueOptions,
    send: (input: MessageInput) => Promise<Pick<SendResult, 'id' | 'status'>>,
  ): Promise<TaskHandle<unknown>> {
    this.#kernel.assertSending();
    const { queue, task } = definition;
    const checked = validate(task, body, `the task of ${queue}`);
    if (checked instanceof Promise) await checked;
    const internal = taskHeaders(options);
    const draft: Draft = {
      kind: 'enqueue',
      target: queue,
      body,
      options,
      fields: taskFields(options),
      ...(internal && { internal }),
    };
    return this.#kernel.sendOut(origin, draft, async (input) => {
      const id = `${queue}#${options.dedupeKey ?? input.id ?? newId()}`;
      const clear = options.dedupeKey === undefined ? undefined : this.#clearLater(id);
      const { status } = await send({ ...input, id });
      if (status === 'stored') await clear?.();
      return this.#ticket(id, definition, status === 'duplicate' ? 'duplicate' : 'new');
    });
  }

  /**
   * A key may come again when dedupe has forgotten it and the result of its last run is still kept: that must not pass for
   * the result of the new run. It is looked up before the send, and deleted after it, unless it is newer.
   */
  #clearLater(id: string): () => Promise<void> {
    const { kv } = this.#kernel.transport;
    const old = kv.get(taskKey(id));
    old.catch(() => undefined);
    return async () => {
      const entry = await old;
      if (entry !== undefined) await kv.delete(entry.key, { ifRevision: entry.revision });
    };
  }

  #ticket(id: string, { result }: AnyQueue, source: 'new' | 'duplicate' | 'id'): TaskHandle<unknown> {
    const { transport, bodies } = this.#kernel;
    const toResult = (value: unknown): unknown => validate(result, value, `the result of ${id}`);
    return new TaskHandle({ transport, bodies, watch: (queue) => this.#watches.of(queue), toResult }, id, source);
  }
}

/** The definition itself, or one without schemas for a bare name. Throws INVALID_ARGUMENT. */
function toDefinition(queue: string | AnyQueue): AnyQueue {
  if (typeof queue === 'object' && queue !== null && queue.kind === 'queue') {
    checkTaskQueue(queue.queue);
    return queue;
  }
  if (typeof queue !== 'string') {
    throw invalid(`a queue must be a name or a definition, not ${describe(queue)}`, 'Use defineQueue, or a name.');
  }
  checkTaskQueue(queue);
  return { kind: 'queue', queue, task: undefined, result: undefined };
}

function toEach(options: EnqueueAllOptions<never> | undefined): (body: unknown, index: number) => EnqueueOptions {
  if (typeof options !== 'function') {
    checkEnqueueOptions(options);
    if (options?.dedupeKey === undefined) return () => options ?? {};
    throw invalid('one dedupeKey for many tasks', 'Pass a function that makes the options of each task.');
  }
  return (body, index) => {
    const own = options(body as never, index);
    checkEnqueueOptions(own);
    return own ?? {};
  };
}

function toTickets(outcomes: readonly PromiseSettledResult<TaskHandle<unknown>>[]): TaskHandle<unknown>[] {
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
    hint: 'Give each task a dedupeKey: then the whole call can be repeated, and none is stored twice.',
  });
}
