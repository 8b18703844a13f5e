/** A processor: takes tasks of one queue and runs a handler for each, several at a time. */

import type { CallOptions, QueueSettings } from '../../contract/transport.ts';
import {
  checkDuration,
  checkInteger,
  checkOptions,
  checkText,
  MAX_DURATION_MS,
  MAX_TIMER_MS,
} from '../../contract/validation.ts';
import { checkRetry, type RetryPolicy } from '../consuming/backoff.ts';
import { Consumer, type ConsumerPlan } from '../consuming/consumer.ts';
import type { BusKernel } from '../runtime.ts';

/** How messages of one queue are taken and handled. */
export interface ConsumeOptions extends CallOptions {
  /** Bounds the opening only. */
  readonly timeoutMs?: number;
  /** Ends the opening only; what was opened goes on until it is closed. */
  readonly signal?: AbortSignal;
  /** How many handlers run at a time in this process, 1 to 10,000. Default 1. */
  readonly concurrency?: number;
  /** How long a lease of the queue lasts from now on, 50 to 43,200,000. Default: as the queue has it, 30,000. */
  readonly leaseMs?: number;
  /** How often a message of the queue is tried from now on, 1 to 1,000. Default: as the queue has it, 5. */
  readonly maxAttempts?: number;
  /** When a failed handler is tried again. Default: after 1 s, doubling to 60 s, with jitter. */
  readonly retry?: RetryPolicy;
  /** Who takes the messages, as operators and the history of a dead letter show it. 1 to 255 characters. Default: an id of this bus. */
  readonly consumer?: string;
}

/** How tasks are processed. */
export interface WorkerOptions extends ConsumeOptions {
  /** How long what became of a task is kept, for its ticket; 0 keeps nothing. Default 3,600,000 (1 h). */
  readonly resultTtlMs?: number;
}

/** How to end a processor or a subscription. */
export interface CloseConsumerOptions {
  /** How long handlers that run may go on, 0 to 2^31-1. Default 5,000. Then their signal fires and their messages are given back. */
  readonly drainMs?: number;
}

/** The keys of {@link ConsumeOptions}. */
export const CONSUME_KEYS: readonly string[] = [
  ...['concurrency', 'leaseMs', 'maxAttempts', 'retry', 'consumer', 'timeoutMs', 'signal'],
];

const DEFAULT_DRAIN_MS = 5_000;

/** Takes tasks until it is closed. Leases are extended while handlers run. */
export class Worker implements AsyncDisposable {
  /** The queue it takes from. */
  readonly queue: string;
  readonly #consumer: Consumer;
  #closed: Promise<void> | undefined;

  /** Made by the bus. */
  constructor(queue: string, consumer: Consumer) {
    this.queue = queue;
    this.#consumer = consumer;
  }

  /** How many handlers may run at a time, 1 to 10,000. May be set at any time; handlers that run go on. */
  get concurrency(): number {
    return this.#consumer.concurrency;
  }

  set concurrency(concurrency: number) {
    this.#consumer.concurrency = concurrency;
  }

  /** How many handlers run now. */
  get running(): number {
    return this.#consumer.running;
  }

  /** Whether it was paused and not resumed. */
  get isPaused(): boolean {
    return this.#consumer.isPaused;
  }

  /** Takes nothing until it is resumed; handlers that run go on. */
  pause(): void {
    this.#consumer.pause();
  }

  /** Ends a pause. */
  resume(): void {
    this.#consumer.resume();
  }

  /** Takes nothing any more; resolves when what it handles is over. */
  drain(): Promise<void> {
    return this.#consumer.drain();
  }

  /** Ends it. A second call gets the promise of the first. To be called inside of its own handler, but not awaited there. */
  close(options?: CloseConsumerOptions): Promise<void> {
    const drainMs = checkClose(options);
    this.#closed ??= this.#consumer.close({ drainMs });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Throws INVALID_ARGUMENT unless `options` are legal; unknown keys are checked before. */
export function checkConsumeOptions(options: ConsumeOptions): void {
  checkInteger(options.concurrency, 'concurrency', { min: 1, max: 10_000 });
  checkDuration(options.leaseMs, 'leaseMs', { min: 50, max: 43_200_000 });
  checkInteger(options.maxAttempts, 'maxAttempts', { min: 1, max: 1000 });
  checkRetry(options.retry);
  checkText(options.consumer, 'consumer', 255);
}

/** Throws INVALID_ARGUMENT unless `options` are legal. */
export function checkProcessOptions(options: WorkerOptions | undefined): void {
  checkOptions(options, ['resultTtlMs', ...CONSUME_KEYS], 'process options');
  checkDuration(options?.resultTtlMs, 'resultTtlMs', { min: 0, max: MAX_DURATION_MS });
  checkConsumeOptions(options ?? {});
}

/** How long closing waits for handlers. Throws INVALID_ARGUMENT for bad options. */
export function checkClose(options: CloseConsumerOptions | undefined): number {
  checkOptions(options, ['drainMs'], 'close options');
  checkDuration(options?.drainMs, 'drainMs', { min: 0, max: MAX_TIMER_MS });
  return options?.drainMs ?? DEFAULT_DRAIN_MS;
}

/** Sets up `queue` as the options say, and begins to consume it. */
export async function startConsumer(
  kernel: BusKernel,
  queue: string,
  { concurrency = 1, leaseMs, maxAttempts, retry, consumer = kernel.instance, timeoutMs, signal }: ConsumeOptions,
  plan: Pick<ConsumerPlan, 'where' | 'handle' | 'onDone' | 'onFailed'>,
): Promise<Consumer> {
  const bounds = { ...(timeoutMs !== undefined && { timeoutMs }), ...(signal && { signal }) };
  const settings: QueueSettings = {
    ...(leaseMs !== undefined && { leaseMs }),
    ...(maxAttempts !== undefined && { maxAttempts }),
  };
  if (Object.keys(settings).length > 0) await kernel.transport.queues.configure(queue, settings, bounds);
  const attempts = maxAttempts ?? (await kernel.maxAttemptsOf(queue));
  kernel.assertOpen();
  return new Consumer(kernel, {
    ...plan,
    queue,
    concurrency,
    consumer,
    retry: checkRetry(retry),
    maxAttempts: attempts,
  });
}
