/** The leases of all deliveries that a bus handles: renewed and settled in batches. */

import { BusbarError, toBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import type { Queues, Settlement, SettleResult } from '../../contract/transport.ts';
import { LazyAbortController } from '../../driver-kit/lazy-abort.ts';

/** What became of a settlement. */
export type SettleStatus = SettleResult['status'];

interface Pending {
  readonly settlement: Settlement;
  readonly done: (status: SettleStatus, leaseLeftMs: number | undefined) => void;
}

const MAX_SETTLEMENTS = 1000;
/** How long the answer is awaited of a renewal that was begun too late. */
const GRACE_MS = 1000;
const FOREVER = Number.POSITIVE_INFINITY;

/** One delivery that is being handled. Its signal fires when the lease is lost or the work is given up. */
export class DeliveryLease extends LazyAbortController {
  readonly receipt: string;
  /** When the lease ends unless renewed, on the clock of `performance.now()`. */
  endsAt: number;
  /** When to look at it again. */
  renewAt: number;
  /** An answer of the server is awaited. */
  isRenewing = false;
  /** Settled, given back or lost: there is nothing left to do with it. */
  isOver = false;
  /** Whether it was lost: another consumer may have the message. */
  isLost = false;

  constructor(delivery: Delivery, now: number) {
    super();
    this.receipt = delivery.receipt;
    this.endsAt = now + delivery.leaseLeftMs;
    this.renewAt = now + delivery.leaseLeftMs / 3;
  }
}

/** Holds, renews and settles. Settlements of one turn of the event loop go in one call. */
export class DeliveryLeases {
  readonly #queues: Queues;
  readonly #report: (error: BusbarError) => void;
  readonly #held = new Set<DeliveryLease>();
  #batch: Pending[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = FOREVER;

  constructor(queues: Queues, report: (error: BusbarError) => void) {
    this.#queues = queues;
    this.#report = report;
  }

  /** Takes charge of a delivery's lease: it is renewed every third of its length until it is settled. */
  hold(delivery: Delivery): DeliveryLease {
    const lease = new DeliveryLease(delivery, performance.now());
    if (this.#held.size === 0) this.#timer?.ref?.();
    this.#held.add(lease);
    if (lease.renewAt < this.#timerAt) this.#arm(lease.renewAt);
    return lease;
  }

  /** Settles a lease and lets go of it. Never rejects: what could not be done is reported, and the status says so. */
  settle(lease: DeliveryLease, settlement: Settlement): Promise<SettleStatus> {
    if (lease.isOver) return Promise.resolve(lease.isLost ? 'lease-lost' : 'done');
    this.#letGo(lease);
    return new Promise((resolve) => {
      this.#push(settlement, (status) => {
        if (status === 'lease-lost') lease.isLost = true;
        resolve(status);
      });
    });
  }

  /** Settles a delivery whose lease is not held here. Never rejects. */
  settleNow(settlement: Settlement): Promise<SettleStatus> {
    return new Promise((resolve) => this.#push(settlement, resolve));
  }

  /** Renews a lease now. Rejects with LEASE_LOST where it is not held any more. */
  async extend(lease: DeliveryLease): Promise<void> {
    if (!lease.isOver) {
      const status = await this.#renew(lease);
      if (status !== 'lease-lost') return;
    }
    throw leaseLost();
  }

  /** Makes sure that a lease whose time is up by our own clock is still held. Rejects with LEASE_LOST. */
  async ensure(lease: DeliveryLease): Promise<void> {
    if (lease.isOver || performance.now() >= lease.endsAt) await this.extend(lease);
  }

  /** Stops renewing. */
  close(): void {
    clearTimeout(this.#timer);
    this.#held.clear();
  }

  #letGo(lease: DeliveryLease): void {
    lease.isOver = true;
    this.#held.delete(lease);
    if (this.#held.size === 0) this.#timer?.unref?.();
  }

  #lose(lease: DeliveryLease): void {
    if (lease.isOver) return;
    this.#letGo(lease);
    lease.isLost = true;
    lease.abort(leaseLost());
  }

  #push(settlement: Settlement, done: Pending['done']): void {
    this.#batch.push({ settlement, done });
    if (this.#batch.length === 1) queueMicrotask(() => this.#flush());
    else if (this.#batch.length === MAX_SETTLEMENTS) this.#flush();
  }

  #flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    if (batch.length > 0) void this.#carryOut(batch);
  }

  async #carryOut(batch: readonly Pending[]): Promise<void> {
    let results: readonly SettleResult[] = [];
    try {
      results = await this.#queues.settle(batch.map(({ settlement }) => settlement));
    } catch (error) {
      // Never repeated: what was settled may have been; what was not comes again when its lease ends.
      this.#report(toBusbarError(error));
    }
    for (const [index, { done }] of batch.entries()) {
      const result = results[index];
      done(result?.status ?? 'unknown', result?.leaseLeftMs);
    }
  }

  #renew(lease: DeliveryLease): Promise<SettleStatus> {
    lease.isRenewing = true;
    return new Promise((resolve) => {
      this.#push({ receipt: lease.receipt, action: 'extend' }, (status, leaseLeftMs) => {
        lease.isRenewing = false;
        if (status === 'lease-lost') this.#lose(lease);
        else this.#renewed(lease, status === 'done' ? leaseLeftMs : undefined);
        resolve(lease.isLost ? 'lease-lost' : status);
      });
    });
  }

  /** Takes note of a new length; without one (the outcome is unknown) the lease is tried again while it may hold. */
  #renewed(lease: DeliveryLease, leaseLeftMs: number | undefined): void {
    if (lease.isOver) return;
    const now = performance.now();
    if (leaseLeftMs !== undefined) lease.endsAt = now + leaseLeftMs;
    const left = lease.endsAt - now;
    lease.renewAt = now + left / 3;
    if (left <= 0) this.#lose(lease);
    else if (lease.renewAt < this.#timerAt) this.#arm(lease.renewAt);
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = at;
    if (at === FOREVER) return;
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, at - performance.now()));
    // A process at work does not end in the middle of it; one that only has an old timer may.
    if (this.#held.size === 0) this.#timer.unref?.();
  }

  #tick(): void {
    const now = performance.now();
    let next = FOREVER;
    for (const lease of this.#held) {
      if (lease.renewAt <= now) this.#due(lease, now);
      if (!lease.isOver && lease.renewAt < next) next = lease.renewAt;
    }
    this.#arm(next);
  }

  /** Renews a lease whose turn it is. One that ends before the answer is there counts as lost. */
  #due(lease: DeliveryLease, now: number): void {
    lease.renewAt = lease.endsAt > now ? lease.endsAt : now + GRACE_MS;
    if (!lease.isRenewing) void this.#renew(lease);
    else if (now >= lease.endsAt) this.#lose(lease);
  }
}

function leaseLost(): BusbarError {
  return new BusbarError('LEASE_LOST', 'the lease was lost: another consumer may have the message', {
    hint: 'Give the queue a longer leaseMs, or do not block the event loop for longer than that.',
  });
}
