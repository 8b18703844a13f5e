/** Workers: take tasks of one queue and run a handler for each, several at a time. */

import { isA } from '../../contract/thrown.ts';
import { checkDuration, checkOptions, MAX_DURATION_MS } from '../../contract/validation.ts';
import type { Consumer } from '../consuming/consumer.ts';
import type { Context } from '../consuming/context.ts';
import { handleDelivery } from '../consuming/handlers.ts';
import { CONSUME_KEYS, type ConsumeOptions, checkConsumeOptions } from '../consuming/options.ts';
import type { ReceivedMessage } from '../consuming/received.ts';
import { startConsumer } from '../consuming/start-consumer.ts';
import type { QueueDefinition } from '../messages/definitions.ts';
import type { Operations } from '../operations.ts';
import { type CloseOptions, checkClose, type DrainOptions, drainWithin } from '../options.ts';
import type { BusRuntime } from '../runtime.ts';
import { Cancelled, CancelledTasks } from './cancelled-tasks.ts';
import { toQueueDefinition } from './enqueue-options.ts';
import { DEFAULT_RESULT_TTL_MS } from './task-record.ts';
import { TaskResultStore } from './task-results.ts';

/** Handles one task. Its value is the result of the task. The values that a generator yields are progress. */
export type TaskHandler<T, R> = (
  task: ReceivedMessage<T>,
  context: Context,
) => R | Promise<R> | AsyncGenerator<unknown, R> | Generator<unknown, R>;

/** How a worker takes tasks and keeps their results. */
export interface WorkerOptions extends ConsumeOptions {
  /** How long the result of a task is kept for its handle; 0 keeps none. Default 3,600,000 (1 h). */
  readonly resultTtlMs?: number | undefined;
}

/** Takes tasks until it is closed. Leases are renewed while handlers run. */
export interface Worker extends AsyncDisposable {
  /** The queue it takes from. */
  readonly queue: string;
  /** How many handlers may run at a time, 1 to 10,000. Can be set at any time; running handlers go on. */
  concurrency: number;
  /** How many handlers run now. */
  readonly running: number;
  /** Whether it was paused and not resumed. */
  readonly isPaused: boolean;
  /** Takes no tasks until it is resumed; running handlers go on. */
  pause(): void;
  resume(): void;
  /** Takes no more tasks. Resolves with true when all running handlers have ended, with false after `timeoutMs`. */
  drain(options?: DrainOptions): Promise<boolean>;
  /** Closes it. A second call returns the promise of the first. Its own handler may call this, but must not await it. */
  close(options?: CloseOptions): Promise<void>;
}

class WorkerImpl implements Worker {
  readonly queue: string;
  readonly #consumer: Consumer;
  readonly #cancelled: CancelledTasks;
  #closed: Promise<void> | undefined;

  constructor(queue: string, consumer: Consumer, cancelled: CancelledTasks) {
    this.queue = queue;
    this.#consumer = consumer;
    this.#cancelled = cancelled;
  }

  get concurrency(): number {
    return this.#consumer.concurrency;
  }

  set concurrency(concurrency: number) {
    this.#consumer.concurrency = concurrency;
  }

  get running(): number {
    return this.#consumer.running;
  }

  get isPaused(): boolean {
    return this.#consumer.isPaused;
  }

  pause(): void {
    this.#consumer.pause();
  }

  resume(): void {
    this.#consumer.resume();
  }

  drain(options?: DrainOptions): Promise<boolean> {
    return drainWithin(options, () => this.#consumer.drain());
  }

  close(options?: CloseOptions): Promise<void> {
    const drainMs = checkClose(options);
    this.#closed ??= this.#consumer.close({ drainMs }).finally(() => this.#cancelled.close());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Begins to take tasks from a queue. */
export async function startWorker(
  { runtime, operations }: { readonly runtime: BusRuntime; readonly operations: Operations },
  queue: string | QueueDefinition,
  handler: TaskHandler<never, unknown>,
  options: WorkerOptions = {},
): Promise<Worker> {
  runtime.assertOpen();
  const { queue: name, schemas } = toQueueDefinition(queue);
  checkOptions(options, ['resultTtlMs', ...CONSUME_KEYS], 'worker options');
  checkDuration(options.resultTtlMs, 'resultTtlMs', { min: 0, max: MAX_DURATION_MS });
  checkConsumeOptions(options);
  const place = { kind: 'task', queue: name } as const;
  const { resultTtlMs = DEFAULT_RESULT_TTL_MS, ...consume } = options;
  const outcomes = new TaskResultStore(runtime, { queue: name, resultTtlMs, schema: schemas.result });
  const plan = {
    operations,
    source: place,
    what: `the task of ${name}`,
    scope: name,
    schema: schemas.task,
    handler,
    timeoutMs: options.timeoutMs,
    progress: outcomes.progress.bind(outcomes),
  };
  const cancelled = new CancelledTasks(runtime, place);
  await cancelled.open(name, options.open);
  try {
    const consumer = await startConsumer(runtime, name, consume, {
      place,
      handle: (delivery, lease) => cancelled.run(delivery, lease, () => handleDelivery(runtime, plan, delivery, lease)),
      onDone: (delivery, value) =>
        isA(value, Cancelled) ? outcomes.cancelled(delivery, value) : outcomes.done(delivery, value),
      onFailed: (delivery, failure) => outcomes.failed(delivery, failure),
    });
    return new WorkerImpl(name, consumer, cancelled);
  } catch (error) {
    await cancelled.close();
    throw error;
  }
}
