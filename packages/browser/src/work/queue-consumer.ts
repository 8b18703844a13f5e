/** Takes messages from a queue and runs a handler for each: for the inbox and for durable subscriptions. */

import { Condition } from '@busbar/api/driver';
import {
  backoffMs,
  DEFAULT_RETRY,
  type DeliveryLease,
  type Failure,
  InvalidMessageError,
  type ReceivedMessage,
  toFailure,
  toReceived,
  withTimeout,
} from '@busbar/api/parts';
import { BusbarError, type Delivery, type Settlement, toBusbarError } from '@busbar/api/transport';
import type { PageCore } from '../page-core.ts';

/** How a consumer works. */
export interface ConsumerPlan {
  readonly queue: string;
  /** How many handlers run at a time. */
  readonly concurrency: number;
  /** If it rejects, the message is retried, or rejected for a RejectError. */
  readonly handle: (message: ReceivedMessage, delivery: Delivery, signal: AbortSignal) => Promise<unknown>;
  /** Runs with the value of `handle` before the ack. A rejection counts as a failed attempt. */
  readonly onDone?: (delivery: Delivery, result: unknown) => Promise<void>;
  /** Runs before a failed delivery is settled. */
  readonly onFailed?: (delivery: Delivery, failure: Failure) => Promise<void>;
}

const DEFAULT_MAX_ATTEMPTS = 5;
const RECONNECT = { ...DEFAULT_RETRY, baseMs: 100, maxMs: 5_000 };
/** How long the end of a consumer waits for the hub. */
const CLEANUP_MS = 2_000;

/** Consumes one queue until it is closed. */
export class QueueConsumer {
  readonly #core: PageCore;
  readonly #plan: ConsumerPlan;
  readonly #running = new Set<DeliveryLease>();
  readonly #settling = new Set<Promise<unknown>>();
  readonly #changed = new Condition();
  readonly #stop = new AbortController();
  readonly #forget: () => void;
  readonly #loop: Promise<void>;
  #maxAttempts: number | undefined;
  #closed: Promise<void> | undefined;

  /** Starts at once. */
  constructor(core: PageCore, plan: ConsumerPlan) {
    this.#core = core;
    this.#plan = plan;
    this.#forget = core.shutdown.add('consumers', this);
    this.#loop = this.#run();
  }

  /** Handlers that run. */
  get running(): number {
    return this.#running.size;
  }

  /** Takes no more messages. Handlers may go on for `drainMs`; then their signals fire and their messages are released. */
  close({ drainMs }: { readonly drainMs: number }): Promise<void> {
    this.#closed ??= this.#close(drainMs);
    return this.#closed;
  }

  async #close(drainMs: number): Promise<void> {
    this.#forget();
    this.#stop.abort();
    this.#changed.notify();
    await withTimeout(this.#whenIdle(), drainMs);
    for (const lease of this.#running) {
      lease.abort(new BusbarError('CLOSED', 'the bus closes', { hint: 'The message is released.' }));
      this.#settle(lease, { receipt: lease.receipt, action: 'release' });
    }
    await withTimeout(Promise.all(this.#settling), CLEANUP_MS);
  }

  async #whenIdle(): Promise<void> {
    await this.#loop;
    while (this.#running.size > 0) await this.#changed.wait();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      const free = this.#plan.concurrency - this.#running.size;
      if (free <= 0) await this.#changed.wait();
      else failures = (await this.#take(free)) ? 0 : failures + 1;
      if (failures > 0) await this.#changed.waitFor(backoffMs(RECONNECT, failures));
    }
  }

  /** Takes up to `max` messages and starts their handlers. Resolves with false after a failure. */
  async #take(max: number): Promise<boolean> {
    const { store, settings } = this.#core;
    const { queue } = this.#plan;
    const { signal } = this.#stop;
    try {
      this.#maxAttempts ??= await this.#readMaxAttempts();
      const request = { max, waitMs: Number.POSITIVE_INFINITY, consumer: settings.agent };
      const all = await store.queues.receive(queue, request, { signal, deadline: Number.POSITIVE_INFINITY });
      for (const delivery of all) this.#start(delivery);
      return true;
    } catch (error) {
      if (!signal.aborted) this.#core.report(error);
      return signal.aborted;
    }
  }

  async #readMaxAttempts(): Promise<number> {
    const { store } = this.#core;
    const filter = { names: [this.#plan.queue], prefix: '', limit: 1, after: undefined };
    const [info] = await store.bounded({ signal: this.#stop.signal }, (context) => store.admin.queues(filter, context));
    return info?.settings.maxAttempts ?? DEFAULT_MAX_ATTEMPTS;
  }

  #start(delivery: Delivery): void {
    const { leases } = this.#core;
    const lease = leases.hold(delivery);
    this.#running.add(lease);
    void this.#handle(delivery, lease).then((settlement) => {
      this.#running.delete(lease);
      if (!lease.isOver) this.#settle(lease, settlement);
      this.#changed.notify();
    });
  }

  /** Resolves with the settlement. Never rejects. */
  async #handle(delivery: Delivery, lease: DeliveryLease): Promise<Settlement> {
    const { receipt } = delivery;
    if (this.#stop.signal.aborted) return { receipt, action: 'release' };
    try {
      await this.#core.leases.ensure(lease);
      const result = await this.#plan.handle(this.#read(delivery), delivery, lease.signal);
      await this.#core.leases.ensure(lease);
      await this.#plan.onDone?.(delivery, result);
      return { receipt, action: 'ack' };
    } catch (error) {
      return this.#failed(delivery, lease, error);
    }
  }

  async #failed(delivery: Delivery, lease: DeliveryLease, thrown: unknown): Promise<Settlement> {
    const { receipt } = delivery;
    if (lease.isOver) return { receipt, action: 'release' };
    const maxAttempts = this.#maxAttempts ?? DEFAULT_MAX_ATTEMPTS;
    const onError = (error: unknown): void => this.#core.report(error);
    const failure = toFailure(thrown, delivery, { maxAttempts, retry: DEFAULT_RETRY, onInvalid: 'retry', onError });
    this.#core.report(failure.error);
    await this.#plan.onFailed?.(delivery, failure).catch(onError);
    const { reason, next, counts } = failure;
    if (next === 'reject') return { receipt, action: 'reject', reason };
    return counts ? { receipt, action: 'retry', delayMs: next, reason } : { receipt, action: 'release', delayMs: next };
  }

  #read(delivery: Delivery): ReceivedMessage {
    try {
      return toReceived(this.#core.bodies, delivery);
    } catch (error) {
      throw new InvalidMessageError(toBusbarError(error), false);
    }
  }

  #settle(lease: DeliveryLease, settlement: Settlement): void {
    const settling = this.#core.leases.settle(lease, settlement);
    this.#settling.add(settling);
    void settling.then(() => this.#settling.delete(settling));
  }
}
