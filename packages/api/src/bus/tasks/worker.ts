/** Workers: take tasks of one queue and run a handler for each, several at a time. */

import type { Delivery } from '../../contract/message.ts';
import { isA } from '../../contract/thrown.ts';
import { checkCallback, checkDuration, checkOptions, MAX_DURATION_MS } from '../../contract/validation.ts';
import type { Consumer } from '../consuming/consumer.ts';
import type { Context } from '../consuming/context.ts';
import type { DeliveryLease } from '../consuming/delivery-leases.ts';
import { handleDelivery } from '../consuming/handlers.ts';
import { CONSUME_KEYS, type ConsumeOptions, checkConsumeOptions } from '../consuming/options.ts';
import type { ReceivedMessage } from '../consuming/received.ts';
import { startConsumer } from '../consuming/start-consumer.ts';
import { childResults } from '../flows/child-results.ts';
import { Parents } from '../flows/parents.ts';
import type { QueueDefinition } from '../messages/definitions.ts';
import type { Operations } from '../operations.ts';
import { type CloseOptions, checkClose, type DrainOptions, drainWithin } from '../options.ts';
import type { BusRuntime } from '../runtime.ts';
import { Batches, type BatchHandler, type BatchOptions, checkBatch } from './batches.ts';
import { Cancelled, CancelledTasks } from './cancelled-tasks.ts';
import { toQueueDefinition } from './enqueue-options.ts';
import { MoveWatch } from './move-watch.ts';
import { checkRateLimit, type RateLimit } from './queue-settings.ts';
import { RateLimiter } from './rate-limit.ts';
import type { TaskQueues } from './task-queue.ts';
import { DEFAULT_RESULT_TTL_MS } from './task-record.ts';
import { TaskResultStore } from './task-results.ts';
import { forgetName } from './unique-tasks.ts';

/** Handles one task. Its value is the result of the task. The values that a generator yields are progress. */
export type TaskHandler<T, R, P = unknown> = (
  task: ReceivedMessage<T>,
  context: Context,
) => R | Promise<R> | AsyncGenerator<P, R> | Generator<P, R>;

/** How a worker takes tasks and keeps their results. */
export interface WorkerOptions extends ConsumeOptions {
  /** How long the result of a task is kept for its handle; 0 keeps none. Default 3,600,000 (1 h). */
  readonly resultTtlMs?: number | undefined;
  /**
   * How many tasks may start in a time, counted in the store. It holds for all workers of the queue, as long as no other one
   * sets it: it stays in the store until `configure({ rateLimit: 'none' })`. A limit of the queue itself counts before it; a
   * worker whose option does not count reports CONFLICT. A task that waits for its turn is held by its worker, and counts as
   * running. Default: that of the queue.
   */
  readonly rateLimit?: RateLimit | undefined;
}

/** How a worker takes tasks in batches. */
export interface BatchWorkerOptions extends WorkerOptions {
  /** The handler gets up to `max` tasks at a time. `concurrency` counts batches: times `max` it is at most 10,000. */
  readonly batch: BatchOptions;
}

/** Takes tasks until it is closed. Leases are renewed while handlers run. */
export interface Worker extends AsyncDisposable {
  /** The queue it takes from. */
  readonly queue: string;
  /** How many handlers may run at a time, 1 to 10,000; of batches times `max`. Can be set at any time; running handlers go on. */
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

/** What a worker follows in the store. */
type Watches = readonly { close(): Promise<void> }[];

async function closeAll(watches: Watches): Promise<void> {
  await Promise.all(watches.map((one) => one.close()));
}

class WorkerImpl implements Worker {
  readonly queue: string;
  readonly #consumer: Consumer;
  readonly #watches: Watches;
  readonly #batches: Batches | undefined;
  #closed: Promise<void> | undefined;

  constructor(queue: string, consumer: Consumer, watches: Watches, batches: Batches | undefined) {
    this.queue = queue;
    this.#consumer = consumer;
    this.#watches = watches;
    this.#batches = batches;
  }

  get concurrency(): number {
    return (this.#batches ?? this.#consumer).concurrency;
  }

  set concurrency(concurrency: number) {
    if (this.#batches !== undefined) this.#batches.concurrency = concurrency;
    this.#consumer.concurrency = concurrency * (this.#batches?.max ?? 1);
  }

  get running(): number {
    return (this.#batches ?? this.#consumer).running;
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
    this.#closed ??= this.#consumer.close({ drainMs }).finally(() => closeAll(this.#watches));
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

type AnyBatchHandler = BatchHandler<never, unknown>;
/** The handler of a worker, of one task or of a batch. */
export type AnyTaskHandler = TaskHandler<never, unknown> | AnyBatchHandler;

function checkWorkerOptions(options: WorkerOptions | BatchWorkerOptions): WorkerOptions & Partial<BatchWorkerOptions> {
  checkOptions(options, ['resultTtlMs', 'rateLimit', 'batch', ...CONSUME_KEYS], 'worker options');
  checkDuration(options.resultTtlMs, 'resultTtlMs', { min: 0, max: MAX_DURATION_MS });
  checkConsumeOptions(options);
  const checked: WorkerOptions & Partial<BatchWorkerOptions> = options;
  checkRateLimit(options.rateLimit);
  checkBatch(checked.batch, options.concurrency ?? 1);
  return checked;
}

interface WorkerDependencies {
  readonly runtime: BusRuntime;
  readonly operations: Operations;
  readonly queues: TaskQueues;
}

/** Begins to take tasks from a queue. */
export async function startWorker(
  { runtime, operations, queues }: WorkerDependencies,
  queue: string | QueueDefinition,
  handler: AnyTaskHandler,
  options: WorkerOptions | BatchWorkerOptions = {},
): Promise<Worker> {
  runtime.assertOpen();
  const definition = toQueueDefinition(queue);
  const { queue: name, schemas } = definition;
  const checked = checkWorkerOptions(options);
  const { batch, rateLimit, resultTtlMs = DEFAULT_RESULT_TTL_MS, concurrency = 1, ...consume } = checked;
  const place = { kind: 'task', queue: name } as const;
  const batches = batch && openBatches(batch, handler, { concurrency, timeoutMs: options.timeoutMs });
  const moves = new MoveWatch(runtime, place);
  const limiter = new RateLimiter(runtime, name, rateLimit, moves);
  const outcomes = new TaskResultStore(runtime, {
    ...{ queue: name, resultTtlMs },
    ...{ schema: schemas.result, progressSchema: schemas.progress },
  });
  const plan = {
    operations,
    source: place,
    what: `the task of ${name}`,
    scope: name,
    schema: schemas.task,
    handler: batches?.join.bind(batches) ?? (handler as TaskHandler<never, unknown>),
    timeoutMs: batches === undefined ? options.timeoutMs : undefined,
    progress: outcomes.progress.bind(outcomes),
    children: (delivery: Delivery) => childResults(runtime, delivery),
  };
  const start = (delivery: Delivery, lease: DeliveryLease): Promise<unknown> => {
    const run = (): Promise<unknown> => handleDelivery(runtime, plan, delivery, lease);
    const turn = limiter.take(lease);
    return turn === undefined ? run() : turn.then(run);
  };
  await queues.prepare(definition);
  const [cancelled, parents] = [new CancelledTasks(runtime, place), new Parents(runtime)];
  const watches = [cancelled, limiter, moves];
  try {
    await Promise.all([cancelled.open(name, options.open), limiter.open(options.open)]);
    if (batches !== undefined) moves.follow(batches);
    const held = concurrency * (batches?.max ?? 1);
    const consumer = await startConsumer(
      runtime,
      name,
      { ...consume, concurrency: held },
      {
        place,
        onStop: () => {
          limiter.stop();
          batches?.stop();
        },
        ready: (delivery) => parents.ready(delivery),
        handle: (delivery, lease) => cancelled.run(delivery, lease, () => start(delivery, lease)),
        onDone: (delivery, value) =>
          isA(value, Cancelled) ? outcomes.cancelled(delivery, value) : outcomes.done(delivery, value),
        onFailed: (delivery, failure) => outcomes.failed(delivery, failure),
        onSettled: (...settled) => afterSettlement(runtime, parents, settled),
      },
    );
    return new WorkerImpl(name, consumer, watches, batches);
  } catch (error) {
    await closeAll(watches);
    throw error;
  }
}

function openBatches(
  batch: BatchOptions,
  handler: AnyTaskHandler,
  limits: { readonly concurrency: number; readonly timeoutMs: number | undefined },
): Batches {
  checkCallback(handler, 'the handler of batches');
  return new Batches({ ...batch, ...limits, handler: handler as AnyBatchHandler });
}

/** Wakes the parent of a child, and frees the key of a unique task. */
function afterSettlement(
  { transport }: BusRuntime,
  parents: Parents,
  settled: Parameters<Parents['settled']>,
): Promise<void> | undefined {
  const [{ id }, { action }] = settled;
  const woken = parents.settled(...settled);
  const freed = action === 'ack' ? forgetName(transport.kv, id) : undefined;
  return freed === undefined ? woken : Promise.all([freed, woken]).then(() => undefined);
}
