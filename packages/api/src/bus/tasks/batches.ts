/** Batches: one call of a handler for several tasks, with a result for each. */

import { invalid } from '../../contract/errors.ts';
import { silenceAll } from '../../contract/promises.ts';
import { isA } from '../../contract/thrown.ts';
import { checkDuration, checkInteger, checkOptions, describe } from '../../contract/validation.ts';
import { type Context, HandlerContext } from '../consuming/context.ts';
import { InvalidOutputError, type RetryError } from '../consuming/failure.ts';
import type { ReceivedMessage } from '../consuming/received.ts';

/** How a worker collects tasks for one call of its handler. */
export interface BatchOptions {
  /** The most tasks of a batch, 1 to 1,000. */
  readonly max: number;
  /** How long the first task of a batch waits for more, 0 to 600,000. Default 0, which takes those that are ready. */
  readonly waitMs?: number | undefined;
}

/** One task of a batch. */
export interface BatchTask<T = unknown> extends ReceivedMessage<T> {
  /** The context of this task: its signal, its progress, and sends whose ids are derived from it. */
  readonly context: Context;
}

/** The second argument of a batch handler. */
export interface BatchContext {
  /** Fires when the signals of all its tasks have fired. Then no result is needed. */
  readonly signal: AbortSignal;
}

/** A result for each task, in their order: its value, or an Error for a failed attempt. Nothing: all are done. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler may return nothing.
export type BatchResults<R> = readonly (R | Error)[] | void;

/**
 * Handles several tasks in one call. A RejectError or RetryError in place of a result counts as if a handler of that task threw
 * it. If the handler throws, all its tasks have failed.
 */
export type BatchHandler<T, R> = (
  tasks: readonly BatchTask<T>[],
  context: BatchContext,
) => BatchResults<R> | Promise<BatchResults<R>>;

/** The most tasks that one worker holds. */
export const MAX_HELD = 10_000;

/** Throws INVALID_ARGUMENT. */
export function checkBatch(batch: BatchOptions | undefined, concurrency: number): void {
  if (batch === undefined) return;
  checkOptions(batch, ['max', 'waitMs'], 'batch');
  checkInteger(batch.max ?? Number.NaN, 'batch.max', { min: 1, max: 1000 });
  checkDuration(batch.waitMs, 'batch.waitMs', { min: 0, max: 600_000 });
  checkConcurrency(concurrency, batch.max);
}

function checkConcurrency(concurrency: unknown, max: number): void {
  checkInteger(concurrency ?? Number.NaN, 'concurrency of batches', { min: 1, max: Math.floor(MAX_HELD / max) });
}

/** A task that waits for its batch. */
interface Waiting {
  readonly task: BatchTask<never>;
  readonly context: HandlerContext;
  readonly startBy: number;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The plan of the batches of one worker. */
interface BatchPlan extends BatchOptions {
  readonly handler: BatchHandler<never, unknown>;
  readonly concurrency: number;
  /** How long a handler may take. Default: no limit. */
  readonly timeoutMs: number | undefined;
}

/** The batches of one worker: each of its tasks joins one. */
export class Batches {
  readonly max: number;
  readonly #plan: BatchPlan;
  readonly #waiting: Waiting[] = [];
  #concurrency: number;
  #running = 0;
  #isStopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(plan: BatchPlan) {
    this.max = plan.max;
    this.#plan = plan;
    this.#concurrency = plan.concurrency;
  }

  /** How many handlers run now. */
  get running(): number {
    return this.#running;
  }

  /** How many handlers may run at a time. */
  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(concurrency: number) {
    checkConcurrency(concurrency, this.max);
    this.#concurrency = concurrency;
    this.#startDue();
  }

  /** No more tasks come: those that wait start now. */
  stop(): void {
    this.#isStopped = true;
    this.#startDue();
  }

  /** Tasks that wait go back to the queue. */
  giveBack(error: RetryError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#arm();
  }

  /** The result of a task, which its batch has. */
  join(received: ReceivedMessage<never>, context: HandlerContext): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const startBy = performance.now() + (this.#plan.waitMs ?? 0);
    this.#waiting.push({ task: { ...received, context }, context, startBy, resolve, reject });
    this.#startDue();
    return promise;
  }

  /** Starts full batches; with `isDue`, or after a stop, also one that is not full. */
  #startDue(isDue = this.#isStopped): void {
    let mayBeSmall = isDue;
    while (this.#running < this.#concurrency && this.#waiting.length >= (mayBeSmall ? 1 : this.max)) {
      mayBeSmall = this.#isStopped;
      this.#running += 1;
      void this.#run(this.#waiting.splice(0, this.max)).then(() => {
        this.#running -= 1;
        this.#startDue();
      });
    }
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const [first] = this.#waiting;
    if (first === undefined || this.#running >= this.#concurrency) return;
    this.#timer = setTimeout(() => this.#startDue(true), Math.max(0, first.startBy - performance.now()));
  }

  /** Runs the handler for those of the tasks that are still held. Never rejects. */
  async #run(waiting: readonly Waiting[]): Promise<void> {
    const held = (await Promise.all(waiting.map(present))).filter((one) => one !== undefined);
    if (held.length === 0) return;
    const signal = signalOfAll(held);
    const abandoned = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    const results = this.#call(held, { signal });
    await Promise.race([abandoned, Promise.all(held.map((one, index) => this.#settle(one, results, index)))]);
  }

  async #call(held: readonly Waiting[], context: BatchContext): Promise<readonly unknown[]> {
    const tasks = held.map(({ task }) => task);
    const results: unknown = await HandlerContext.timed(
      held.map((one) => one.context),
      () => this.#plan.handler(tasks, context),
    );
    if (results === undefined) return [];
    if (Array.isArray(results) && results.length === held.length) return results;
    silenceAll(results);
    const found = Array.isArray(results) ? `${results.length} results` : describe(results);
    const text = `a batch handler returned ${found} for ${held.length} tasks`;
    throw new InvalidOutputError('the result of the handler', invalid(text, 'Return a result or an Error for each.'));
  }

  async #settle({ context, resolve, reject }: Waiting, results: Promise<readonly unknown[]>, index: number) {
    const { timeoutMs } = this.#plan;
    const take = async (): Promise<unknown> => (await results)[index];
    try {
      const result = await (timeoutMs === undefined ? take() : context.within(timeoutMs, take));
      if (isA(result, Error)) reject(result);
      else resolve(result);
    } catch (error) {
      reject(error);
    }
  }
}

/** The task, if its lease is held and it was not cancelled while it waited. Otherwise it rejects its task. */
async function present(waiting: Waiting): Promise<Waiting | undefined> {
  const { context, reject } = waiting;
  try {
    await context.begin();
    if (!context.isAborted) return waiting;
    reject(context.signal.reason);
  } catch (error) {
    reject(error);
  }
  return undefined;
}

/** Fires when the signals of all have fired, with the reason of the last one. */
function signalOfAll(held: readonly Waiting[]): AbortSignal {
  const controller = new AbortController();
  let left = held.length;
  for (const { signal } of held.map(({ context }) => context)) {
    const onAbort = (): void => {
      left -= 1;
      if (left === 0) controller.abort(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  }
  return controller.signal;
}
