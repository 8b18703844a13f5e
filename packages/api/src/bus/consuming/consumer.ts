/** The engine that takes messages from a queue and runs a handler for each: inboxes, subscriptions, tasks. */

import { BusbarError, isBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import type { QueueSettings, Settlement } from '../../contract/transport.ts';
import { checkInteger } from '../../contract/validation.ts';
import { withTimeout } from '../bounded-wait.ts';
import type { BusRuntime } from '../runtime.ts';
import { CLEANUP_MS, type BusPart } from '../shutdown.ts';
import { backoffMs, type CompleteRetry, checkRetry } from './backoff.ts';
import type { DeliveryLease } from './delivery-leases.ts';
import { type Failure, toFailure } from './failure.ts';
import type { ConsumeOptions } from './options.ts';

/** What a consumer does. */
export interface ConsumerPlan {
  readonly queue: string;
  /** Shown to operators and kept in the history of dead letters. */
  readonly consumer: string;
  /** How many handlers run at a time, 1 to 10,000. */
  readonly concurrency: number;
  readonly retry: CompleteRetry;
  /** Attempts of messages that do not say it themselves, as the queue has it. */
  readonly maxAttempts: number;
  /** What stands in reports, such as `inbox @service.auth`. */
  readonly where: string;
  /** Acks before the handler runs: what is handled is never handled again, whatever becomes of it. Default false. */
  readonly ackFirst?: boolean;
  /** Handles one delivery. Resolved: acked. Rejected: tried again by `retry`, or at once a dead letter for a `RejectError`. */
  readonly handle: (delivery: Delivery, lease: DeliveryLease) => Promise<unknown>;
  /** Runs with what `handle` gave before the ack, where the lease is still held. A rejection counts as a failed attempt. */
  readonly onDone?: (delivery: Delivery, result: unknown) => Promise<void>;
  /** Runs before a failed delivery is settled, where the lease is still held. A rejection is only reported. */
  readonly onFailed?: (delivery: Delivery, failure: Failure) => Promise<void>;
}

const MAX_RECEIVE = 1000;
const RECONNECT: CompleteRetry = { baseMs: 100, factor: 2, maxMs: 5000, jitter: 'full' };

/** Takes and handles messages of one queue until it is closed. */
export class Consumer implements BusPart {
  readonly #runtime: BusRuntime;
  readonly #plan: ConsumerPlan;
  readonly #running = new Set<DeliveryLease>();
  readonly #forget: () => void;
  readonly #idle: (() => void)[] = [];
  #concurrency: number;
  #isPaused = false;
  #isStopped = false;
  #receive = new AbortController();
  #wake: (() => void) | undefined;
  #settling = 0;
  readonly #loop: Promise<void>;

  /** Begins at once. */
  constructor(runtime: BusRuntime, plan: ConsumerPlan) {
    this.#runtime = runtime;
    this.#plan = plan;
    checkConcurrency(plan.concurrency);
    this.#concurrency = plan.concurrency;
    this.#forget = runtime.shutdown.add('consumers', this);
    this.#loop = this.#run();
  }

  /** How many handlers run now. */
  get running(): number {
    return this.#running.size;
  }

  /** How many handlers may run at a time. May be changed at any time; handlers that run are not touched. */
  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(concurrency: number) {
    checkConcurrency(concurrency);
    const isLess = concurrency < this.#concurrency;
    this.#concurrency = concurrency;
    this.#look(isLess);
  }

  /** True between `pause` and `resume`. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** True once it takes nothing any more. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Takes nothing until `resume`; handlers that run go on. */
  pause(): void {
    this.#isPaused = true;
    this.#look(true);
  }

  resume(): void {
    this.#isPaused = false;
    this.#look(false);
  }

  /** Takes nothing any more; resolves when all handlers are over and settled. */
  async drain(): Promise<void> {
    this.#isStopped = true;
    this.#look(true);
    await this.#loop;
    if (!this.#isIdle()) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Ends it. Handlers that still run after `drainMs` see their signal fire, and their messages are given back. */
  async close({ drainMs }: { readonly drainMs: number }): Promise<void> {
    this.#forget();
    if (!(await withTimeout(this.drain(), drainMs))) await this.#giveUp();
  }

  async #giveUp(): Promise<void> {
    const reason = new BusbarError('CLOSED', 'the bus closes', { hint: 'The message is given back.' });
    const leases = [...this.#running];
    for (const lease of leases) lease.abort(reason);
    const released = leases.map((lease) =>
      this.#runtime.leases.settle(lease, { receipt: lease.receipt, action: 'release' }),
    );
    await withTimeout(Promise.all(released), CLEANUP_MS);
  }

  /** Lets the loop look at what changed; with `anew` it also gives up the receive that waits. */
  #look(anew: boolean): void {
    if (anew) {
      this.#receive.abort();
      this.#receive = new AbortController();
    }
    this.#wake?.();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isStopped) {
      const free = this.#isPaused ? 0 : this.#concurrency - this.#running.size;
      if (free <= 0) await this.#change();
      else failures = (await this.#take(free)) ? 0 : failures + 1;
      if (failures > 0) await this.#change(backoffMs(RECONNECT, failures));
    }
  }

  /** Resolves when there is something to look at, or after `ms`. */
  async #change(ms?: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (ms !== undefined) timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }

  /** Takes up to `free` messages and starts their handlers. False when that failed. */
  async #take(free: number): Promise<boolean> {
    const { signal } = this.#receive;
    try {
      const { queue, consumer } = this.#plan;
      const max = Math.min(free, MAX_RECEIVE);
      const wanted = { max, waitMs: Number.POSITIVE_INFINITY, consumer, signal };
      for (const delivery of await this.#runtime.transport.queues.receive(queue, wanted)) this.#begin(delivery);
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      if (isBusbarError(error) && error.code === 'CLOSED') this.#isStopped = true;
      else this.#runtime.report(error, this.#plan.where);
      return false;
    }
  }

  #begin(delivery: Delivery): void {
    const isUnwanted = this.#isStopped || this.#isPaused || this.#running.size >= this.#concurrency;
    if (isUnwanted) {
      this.#track(this.#runtime.leases.settleNow({ receipt: delivery.receipt, action: 'release' }));
      return;
    }
    const lease = this.#runtime.leases.hold(delivery);
    this.#running.add(lease);
    if (this.#plan.ackFirst === true)
      this.#track(this.#settle(delivery, lease, { receipt: delivery.receipt, action: 'ack' }));
    void this.#handle(delivery, lease).then((settlement) => {
      this.#running.delete(lease);
      if (!lease.isOver) this.#track(this.#settle(delivery, lease, settlement));
      else if (this.#plan.ackFirst !== true) this.#noteLost(lease, delivery);
      this.#wake?.();
      this.#noteIdle();
    });
  }

  /** Runs the handler. Resolves with what is to be said of the delivery; never rejects. */
  async #handle(delivery: Delivery, lease: DeliveryLease): Promise<Settlement> {
    const { handle, onDone } = this.#plan;
    const { receipt } = delivery;
    try {
      const result = await handle(delivery, lease);
      if (onDone !== undefined) {
        await this.#runtime.leases.ensure(lease);
        await onDone(delivery, result);
      }
      return { receipt, action: 'ack' };
    } catch (error) {
      return this.#failed(delivery, lease, error);
    }
  }

  async #failed(delivery: Delivery, lease: DeliveryLease, error: unknown): Promise<Settlement> {
    const { receipt, attempt } = delivery;
    if (lease.isOver) return { receipt, action: 'release' };
    const failure = toFailure(error, delivery, this.#plan.maxAttempts);
    this.#runtime.report(failure.error, this.#plan.where);
    try {
      if (this.#plan.onFailed !== undefined) {
        await this.#runtime.leases.ensure(lease);
        await this.#plan.onFailed(delivery, failure);
      }
    } catch (failed) {
      if (!lease.isOver) this.#runtime.report(failed, this.#plan.where);
    }
    const { reason } = failure;
    if (failure.isRejected) return { receipt, action: 'reject', reason };
    return { receipt, action: 'retry', delayMs: backoffMs(this.#plan.retry, attempt), reason };
  }

  async #settle(delivery: Delivery, lease: DeliveryLease, settlement: Settlement): Promise<void> {
    await this.#runtime.leases.settle(lease, settlement);
    this.#noteLost(lease, delivery);
  }

  #noteLost(lease: DeliveryLease, delivery: Delivery): void {
    if (!lease.isLost) return;
    const text = `the lease of message ${delivery.id} was lost while it was handled`;
    const hint = 'It is delivered again. Give the queue a longer leaseMs, or do not block the event loop for so long.';
    this.#runtime.report(new BusbarError('LEASE_LOST', text, { hint }), this.#plan.where);
  }

  #track(settling: Promise<unknown>): void {
    this.#settling += 1;
    void settling.then(() => {
      this.#settling -= 1;
      this.#noteIdle();
    });
  }

  #isIdle(): boolean {
    return this.#running.size === 0 && this.#settling === 0;
  }

  #noteIdle(): void {
    if (this.#isStopped && this.#isIdle()) for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function checkConcurrency(concurrency: unknown): void {
  checkInteger(concurrency ?? Number.NaN, 'concurrency', { min: 1, max: 10_000 });
}

/** Configures `queue` by the options and begins to consume it. */
export async function startConsumer(
  runtime: BusRuntime,
  queue: string,
  { concurrency = 1, leaseMs, maxAttempts, retry, consumer = runtime.instance, timeoutMs, signal }: ConsumeOptions,
  plan: Pick<ConsumerPlan, 'where' | 'handle' | 'onDone' | 'onFailed'>,
): Promise<Consumer> {
  const bounds = { ...(timeoutMs !== undefined && { timeoutMs }), ...(signal && { signal }) };
  const settings: QueueSettings = {
    ...(leaseMs !== undefined && { leaseMs }),
    ...(maxAttempts !== undefined && { maxAttempts }),
  };
  if (Object.keys(settings).length > 0) await runtime.transport.queues.configure(queue, settings, bounds);
  const attempts = maxAttempts ?? (await runtime.maxAttemptsOf(queue));
  runtime.assertOpen();
  return new Consumer(runtime, {
    ...plan,
    queue,
    concurrency,
    consumer,
    retry: checkRetry(retry),
    maxAttempts: attempts,
  });
}
