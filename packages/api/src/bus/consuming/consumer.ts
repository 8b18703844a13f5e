/** Takes messages from a queue and runs a handler for each: for inboxes, durable subscriptions and tasks. */

import { BusbarError, isBusbarError } from '../../contract/errors.ts';
import type { KvPut } from '../../contract/kv.ts';
import type { Delivery } from '../../contract/message.ts';
import type { Settlement } from '../../contract/queues.ts';
import { checkInteger } from '../../contract/validation.ts';
import { ChurnSet } from '../../driver-kit/churn.ts';
import { Condition } from '../../driver-kit/condition.ts';
import { withTimeout } from '../bounded-wait.ts';
import type { Declare } from '../declarations.ts';
import { Handling } from '../observing/handling.ts';
import type { MessageSource } from '../observing/message-source.ts';
import { type BusRuntime, DEFAULT_MAX_ATTEMPTS } from '../runtime.ts';
import { type BusPart, CLEANUP_MS } from '../shutdown.ts';
import { backoffMs, type CompleteRetry, type RetryRule } from './backoff.ts';
import type { DeliveryLease } from './delivery-leases.ts';
import { type Failure, type InvalidRule, isLastAttempt, isRejectError, isSnooze, toFailure } from './failure.ts';

/** How a consumer works. */
export interface ConsumerPlan {
  readonly queue: string;
  /** The name for operators and the history of dead letters. */
  readonly consumer: string;
  /** How many handlers run at a time, 1 to 10,000. */
  readonly concurrency: number;
  readonly retry: RetryRule;
  /** Default `retry`. */
  readonly onInvalid?: InvalidRule | undefined;
  /**
   * The attempts of a message without its own `maxAttempts`. Default: those of the queue, which are read at the first failure.
   * That reads the whole queue on NATS, and few consumers need it.
   */
  readonly maxAttempts: number | undefined;
  /** The place in error reports and events. */
  readonly place: MessageSource;
  /** Acks before the handler runs, so a message is never handled twice. Default false. */
  readonly ackFirst?: boolean;
  /** Creates what the queue needs after the store was replaced or rolled back. */
  readonly declare?: Declare | undefined;
  /** The resets of the store before its queue was created. Default: those until now. */
  readonly resetsBefore?: number | undefined;
  /** Runs when it takes no more messages. */
  readonly onStop?: (() => void) | undefined;
  /** Runs before {@link handle}; undefined if it may start. A rejection settles the delivery, as one of `handle` does. */
  readonly ready?: ((delivery: Delivery) => Promise<void> | undefined) | undefined;
  /** Runs after a settlement has taken effect. `isFailed`: it ended the message without a result. Its failures are reported. */
  readonly onSettled?:
    | ((delivery: Delivery, settlement: Settlement, isFailed: boolean) => Promise<void> | undefined)
    | undefined;
  /** Handles one delivery. If it resolves, the message is acked. If it rejects, the message is retried by `retry`, or rejected for a RejectError. */
  readonly handle: (delivery: Delivery, lease: DeliveryLease) => Promise<unknown>;
  /**
   * Runs with the value of `handle` before the ack, if the lease is still held. Its value is the entry of the ack. An error
   * counts as a failed attempt.
   */
  readonly onDone?: (delivery: Delivery, result: unknown) => Promise<KvPut | undefined> | KvPut | undefined;
  /**
   * Runs before a failed delivery is settled, if the lease is still held. Resolves with the entry of the settlement. A rejection
   * is only reported.
   */
  readonly onFailed?: (delivery: Delivery, failure: Failure) => Promise<KvPut | undefined>;
}

const MAX_RECEIVE = 1000;
const BLOCKED_REPORT_MS = 60_000;
const RECONNECT: CompleteRetry = { baseMs: 100, factor: 2, maxMs: 5000, jitter: 'full' };

/** Consumes one queue until it is closed. */
export class Consumer implements BusPart {
  readonly #runtime: BusRuntime;
  readonly #plan: ConsumerPlan;
  /** Undefined for requests, whose events the responder emits. */
  readonly #handling: Handling | undefined;
  readonly #running = new ChurnSet<DeliveryLease>();
  readonly #forget: (() => void)[] = [];
  readonly #idle = new Condition();
  readonly #changed = new Condition();
  #concurrency: number;
  #maxAttempts: number | undefined;
  #reading: Promise<number> | undefined;
  #isPaused = false;
  #isStopped = false;
  #receive = new AbortController();
  #settling = 0;
  /** Until then no blocked event loop is reported. */
  #silentUntil = 0;
  readonly #loop: Promise<void>;

  /** Starts at once. */
  constructor(runtime: BusRuntime, plan: ConsumerPlan) {
    this.#runtime = runtime;
    this.#plan = plan;
    this.#handling = plan.place.kind === 'request' ? undefined : new Handling(runtime.events, plan.place);
    checkConcurrency(plan.concurrency);
    this.#concurrency = plan.concurrency;
    this.#maxAttempts = plan.maxAttempts;
    this.#forget.push(runtime.shutdown.add('consumers', this));
    if (plan.declare !== undefined)
      this.#forget.push(runtime.declarations.add(plan.place, plan.declare, plan.resetsBefore));
    this.#loop = this.#run();
  }

  get running(): number {
    return this.#running.size;
  }

  /** How many handlers may run at a time. It can change at any time; running handlers go on. */
  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(concurrency: number) {
    checkConcurrency(concurrency);
    const isLess = concurrency < this.#concurrency;
    this.#concurrency = concurrency;
    this.#wakeLoop(isLess);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Whether it takes no more messages. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Takes no messages until `resume`; running handlers go on. */
  pause(): void {
    this.#isPaused = true;
    this.#wakeLoop(true);
  }

  resume(): void {
    this.#isPaused = false;
    this.#wakeLoop(false);
  }

  /** Takes no more messages. Resolves when all handlers have ended and their messages are settled. */
  async drain(): Promise<void> {
    this.#isStopped = true;
    this.#plan.onStop?.();
    this.#wakeLoop(true);
    await this.#loop;
    if (!this.#isIdle()) await this.#idle.wait();
  }

  /** Closes it. After `drainMs` the signals of running handlers fire and their messages are released. */
  async close({ drainMs }: { readonly drainMs: number }): Promise<void> {
    for (const forget of this.#forget) forget();
    if (!(await withTimeout(this.drain(), drainMs))) await this.#abortAll();
  }

  async #abortAll(): Promise<void> {
    const reason = new BusbarError('CLOSED', 'the bus closes', { hint: 'The message is released.' });
    const leases = [...this.#running];
    for (const lease of leases) lease.abort(reason);
    const released = leases.map((lease) =>
      this.#runtime.leases.settle(lease, { receipt: lease.receipt, action: 'release' }),
    );
    await withTimeout(Promise.all(released), CLEANUP_MS);
  }

  /** Wakes the loop after a change; `abortReceive` also aborts a waiting receive. */
  #wakeLoop(abortReceive: boolean): void {
    if (abortReceive) {
      this.#receive.abort();
      this.#receive = new AbortController();
    }
    this.#changed.notify();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isStopped) {
      const free = this.#isPaused ? 0 : this.#concurrency - this.#running.size;
      if (free <= 0) await this.#changed.wait();
      else failures = (await this.#take(free)) ? 0 : failures + 1;
      if (failures > 0) await this.#changed.waitFor(backoffMs(RECONNECT, failures));
    }
  }

  /** Takes up to `free` messages and starts their handlers. Resolves with false after a failure. */
  async #take(free: number): Promise<boolean> {
    const { signal } = this.#receive;
    try {
      const { queue, consumer } = this.#plan;
      const max = Math.min(free, MAX_RECEIVE);
      const options = { max, waitMs: Number.POSITIVE_INFINITY, consumer, signal };
      for (const delivery of await this.#runtime.transport.queues.receive(queue, options)) this.#start(delivery);
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      if (isBusbarError(error) && error.code === 'CLOSED') this.#isStopped = true;
      else this.#runtime.report(error, this.#plan.place);
      return false;
    }
  }

  #start(delivery: Delivery): void {
    const isSurplus = this.#isStopped || this.#isPaused || this.#running.size >= this.#concurrency;
    if (isSurplus) {
      this.#track(this.#runtime.leases.settleNow({ receipt: delivery.receipt, action: 'release' }));
      return;
    }
    const { ackFirst = false } = this.#plan;
    const lease = this.#runtime.leases.hold(delivery);
    this.#running.add(lease);
    const acked = ackFirst
      ? new Promise<void>((resolve) => this.#settle(delivery, lease, toAck(delivery), resolve))
      : undefined;
    const mayBegin = lease.heldAt < lease.endsAt;
    void this.#work(delivery, lease, mayBegin ? undefined : (acked ?? this.#runtime.leases.ensure(lease)));
  }

  /** Runs the handler after `begun`, and settles the delivery. Never rejects. */
  async #work(delivery: Delivery, lease: DeliveryLease, begun: Promise<void> | undefined): Promise<void> {
    const { ready, handle, onDone } = this.#plan;
    let settlement: Settlement;
    try {
      if (begun !== undefined) await begun;
      if (lease.isLost) return this.#ended(delivery, lease, toRelease(delivery));
      const waits = ready?.(delivery);
      if (waits !== undefined) await waits;
      this.#handling?.started(delivery);
      const result = await handle(delivery, lease);
      const confirmed = onDone && this.#runtime.leases.check(lease);
      if (confirmed !== undefined) await confirmed;
      const entry = onDone?.(delivery, result);
      settlement = toAck(delivery, entry instanceof Promise ? await entry : entry);
    } catch (error) {
      settlement = await this.#failed(delivery, lease, error);
    }
    this.#ended(delivery, lease, settlement);
  }

  /** The handler has ended. */
  #ended(delivery: Delivery, lease: DeliveryLease, settlement: Settlement): void {
    this.#running.delete(lease);
    if (this.#runtime.leases.wasBlocked(lease)) this.#reportBlocked(lease, delivery);
    if (!lease.isOver) this.#settle(delivery, lease, settlement);
    else if (this.#plan.ackFirst !== true) this.#endedBefore(lease, delivery);
    this.#changed.notify();
    this.#checkIdle();
  }

  async #failed(delivery: Delivery, lease: DeliveryLease, error: unknown): Promise<Settlement> {
    const { receipt } = delivery;
    if (lease.isOver) return toRelease(delivery);
    const isDecided = isRejectError(error) || isSnooze(error);
    const known = this.#maxAttempts ?? (isDecided ? DEFAULT_MAX_ATTEMPTS : undefined);
    const maxAttempts = known ?? (await this.#readMaxAttempts(delivery));
    if (lease.isOver) return toRelease(delivery);
    const { retry, onInvalid = 'retry' } = this.#plan;
    const onError = (failed: unknown): void => this.#report(failed, delivery);
    const failure = toFailure(error, delivery, { maxAttempts, retry, onInvalid, onError });
    if (!isSnooze(error)) this.#report(failure.error, delivery);
    let entry: KvPut | undefined;
    try {
      if (this.#plan.onFailed !== undefined) {
        await this.#runtime.leases.ensure(lease);
        entry = await this.#plan.onFailed(delivery, failure);
      }
    } catch (failed) {
      if (!lease.isOver) this.#report(failed, delivery);
    }
    const { reason, next, counts } = failure;
    if (next === 'reject') return { receipt, action: 'reject', reason, entry };
    return counts
      ? { receipt, action: 'retry', delayMs: next, reason, entry }
      : { receipt, action: 'release', delayMs: next };
  }

  /** Failures that come together share one read. */
  async #readMaxAttempts(delivery: Delivery): Promise<number> {
    this.#reading ??= this.#runtime.maxAttemptsOf(this.#plan.queue);
    try {
      this.#maxAttempts = await this.#reading;
    } catch (error) {
      this.#report(error, delivery);
    } finally {
      this.#reading = undefined;
    }
    return this.#maxAttempts ?? DEFAULT_MAX_ATTEMPTS;
  }

  /** Settles a delivery; then calls `onEnd`. Without a promise for each message, of which there are many. */
  #settle(delivery: Delivery, lease: DeliveryLease, settlement: Settlement, onEnd?: () => void): void {
    this.#settling += 1;
    const end = (): void => {
      this.#reportLost(lease, delivery);
      this.#settling -= 1;
      onEnd?.();
      this.#checkIdle();
    };
    this.#runtime.leases.end(lease, settlement, (status) => {
      const more = status === 'done' ? this.#settled(delivery, lease, settlement) : undefined;
      if (more === undefined) end();
      else void more.catch((error) => this.#report(error, delivery)).then(end);
    });
  }

  /** After a settlement has taken effect. */
  #settled(delivery: Delivery, lease: DeliveryLease, settlement: Settlement): Promise<void> | undefined {
    const { action } = settlement;
    const isLast = action === 'retry' && isLastAttempt(delivery, this.#maxAttempts ?? DEFAULT_MAX_ATTEMPTS);
    this.#handling?.settled(delivery, settlement, lease, isLast);
    const isFailed = action === 'reject' || isLast || lease.isCancelled;
    return this.#plan.onSettled?.(delivery, settlement, isFailed);
  }

  /** The lease was lost, or the closing consumer has released it, while the handler ran. */
  #endedBefore(lease: DeliveryLease, delivery: Delivery): void {
    if (lease.isLost) this.#reportLost(lease, delivery);
    else this.#handling?.settled(delivery, toRelease(delivery), lease, false);
  }

  #reportLost(lease: DeliveryLease, delivery: Delivery): void {
    if (!lease.isLost) return;
    this.#handling?.ended('lease-lost', delivery, lease.heldAt, {});
    const text = `the lease of message ${delivery.id} was lost before its handler ended`;
    const hint = 'The message is delivered again. Set a longer leaseMs, or do not block the event loop.';
    this.#report(new BusbarError('LEASE_LOST', text, { hint }), delivery);
  }

  /** At most once a minute: a handler that blocks does so for each message. */
  #reportBlocked({ blockedMs, lengthMs }: DeliveryLease, delivery: Delivery): void {
    const now = performance.now();
    if (now < this.#silentUntil) return;
    this.#silentUntil = now + BLOCKED_REPORT_MS;
    const text = `the event loop was blocked for ${Math.round(blockedMs)} ms, longer than half of the lease of ${Math.round(lengthMs)} ms`;
    const hint =
      'Leases cannot be renewed meanwhile. Do the work of the handler in a worker thread, or set a longer leaseMs.';
    this.#report(new BusbarError('TIMEOUT', text, { hint, retryable: false }), delivery);
  }

  #report(error: unknown, { id, attempt }: Delivery): void {
    this.#runtime.report(error, { ...this.#plan.place, id, attempt });
  }

  #track(settling: Promise<unknown>): void {
    this.#settling += 1;
    void settling.then(() => {
      this.#settling -= 1;
      this.#checkIdle();
    });
  }

  #isIdle(): boolean {
    return this.#running.size === 0 && this.#settling === 0;
  }

  #checkIdle(): void {
    if (this.#isStopped && this.#isIdle()) this.#idle.notify();
  }
}

function toAck({ receipt }: Delivery, entry?: KvPut): Settlement {
  return { receipt, action: 'ack', entry };
}

function toRelease({ receipt }: Delivery): Settlement {
  return { receipt, action: 'release' };
}

function checkConcurrency(concurrency: unknown): void {
  checkInteger(concurrency ?? Number.NaN, 'concurrency', { min: 1, max: 10_000 });
}
