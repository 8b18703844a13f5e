/** Renews and settles the leases of all deliveries of a bus, in batches. */

import { BusbarError, toBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import type { Queues, Settlement, SettleResult } from '../../contract/queues.ts';
import { ChurnSet } from '../../driver-kit/churn.ts';
import { LazyAbortController } from '../../driver-kit/lazy-abort.ts';

/** The result of a settlement. */
export type SettleStatus = SettleResult['status'];

interface PendingSettlement {
  readonly settlement: Settlement;
  readonly done: (status: SettleStatus, leaseLeftMs: number | undefined) => void;
}

const MAX_SETTLEMENTS = 1000;
/** How long a renewal that started too late may take. */
const GRACE_MS = 1000;
/** How often a lease is confirmed before it counts as lost, when each answer takes longer than the lease. */
const MAX_CONFIRMATIONS = 3;
const FOREVER = Number.POSITIVE_INFINITY;
/** A shorter block can be that of a busy machine. */
const MIN_BLOCKED_MS = 250;
/** A page measures no blocks of its event loop, and no timer keeps it alive. */
const IN_PAGE = globalThis.process === undefined;
/** How often the event loop is looked at while the longest block without a report could happen. */
const LOOKS = 8;

/** The lease of one delivery. Its signal fires when the lease is lost or the handler is aborted. */
export class DeliveryLease extends LazyAbortController {
  readonly receipt: string;
  /** When the lease ends without renewal, by `performance.now()`. */
  endsAt: number;
  /** When to renew or check it. */
  renewAt: number;
  isRenewing = false;
  /** It is settled, released or lost. */
  isOver = false;
  /** It was lost: another consumer may have the message. */
  isLost = false;
  /** Its task was cancelled while it ran. */
  isCancelled = false;
  /** When the delivery arrived, by `performance.now()`. */
  readonly heldAt: number;
  /** How long it lasted when the delivery arrived. */
  readonly lengthMs: number;
  /** The longest time for which it is known that the event loop did not run meanwhile. */
  blockedMs = 0;

  constructor({ receipt, leaseLeftMs, leaseEndsAt }: Delivery, now: number) {
    super();
    this.receipt = receipt;
    this.heldAt = now;
    this.endsAt = leaseEndsAt ?? now + leaseLeftMs;
    const left = this.endsAt - now;
    this.lengthMs = leaseLeftMs;
    // One that may have ended is confirmed before its handler begins.
    this.renewAt = left > 0 ? now + left / 3 : FOREVER;
  }

  /** How long the event loop may be blocked without a report. */
  get maxBlockedMs(): number {
    return IN_PAGE ? FOREVER : Math.max(this.lengthMs / 2, MIN_BLOCKED_MS);
  }

  /** Records that code ran for `ms` in one turn of the event loop. */
  ran(ms: number): void {
    if (!IN_PAGE) this.blockedMs = Math.max(this.blockedMs, ms);
  }
}

/** Settlements of one turn of the event loop share a call. */
export class DeliveryLeases {
  readonly #queues: Pick<Queues, 'settle'>;
  readonly #report: (error: BusbarError) => void;
  readonly #held = new ChurnSet<DeliveryLease>();
  #batch: PendingSettlement[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = FOREVER;
  /** The earliest renewal of a lease. */
  #renewalAt = FOREVER;
  /** How often the event loop is looked at while a lease is held: a late timer shows that it was blocked. */
  #lookMs = FOREVER;

  constructor(queues: Pick<Queues, 'settle'>, report: (error: BusbarError) => void) {
    this.#queues = queues;
    this.#report = report;
  }

  /** Renews the lease of a delivery every third of its length until it is settled. */
  hold(delivery: Delivery): DeliveryLease {
    const lease = new DeliveryLease(delivery, performance.now());
    if (!IN_PAGE && this.#held.size === 0) this.#timer?.ref?.();
    this.#held.add(lease);
    if (!IN_PAGE) this.#lookMs = Math.min(this.#lookMs, lease.maxBlockedMs / LOOKS);
    this.#schedule(lease.renewAt, lease.heldAt);
    return lease;
  }

  /** Settles a lease and stops renewing it. Never rejects: failures are reported and have the status `unknown`. */
  settle(lease: DeliveryLease, settlement: Settlement): Promise<SettleStatus> {
    return new Promise((resolve) => this.end(lease, settlement, resolve));
  }

  /** Like {@link DeliveryLeases.settle}, without a promise. */
  end(lease: DeliveryLease, settlement: Settlement, done: (status: SettleStatus) => void): void {
    if (lease.isOver) {
      done('lease-lost');
      return;
    }
    this.#untrack(lease);
    this.#push(settlement, (status) => {
      if (status === 'lease-lost') lease.isLost = true;
      done(status);
    });
  }

  /** Whether the event loop was blocked for longer than half of a lease. Called right after its handler has ended. */
  wasBlocked(lease: DeliveryLease): boolean {
    if (IN_PAGE) return false;
    this.#noticeLate(lease, performance.now());
    return lease.blockedMs > lease.maxBlockedMs;
  }

  /** Settles a delivery without a tracked lease. Never rejects. */
  settleNow(settlement: Settlement): Promise<SettleStatus> {
    return new Promise((resolve) => this.#push(settlement, resolve));
  }

  /** Renews a lease now. Rejects with LEASE_LOST when it is lost or settled. */
  async extend(lease: DeliveryLease): Promise<void> {
    if (!lease.isOver) {
      const status = await this.#renew(lease);
      if (status !== 'lease-lost') return;
    }
    throw leaseLost();
  }

  /** Confirms a lease that has ended by the local clock; undefined if it has not. Rejects with LEASE_LOST. */
  check(lease: DeliveryLease): Promise<void> | undefined {
    return lease.isOver || performance.now() >= lease.endsAt ? this.#confirm(lease) : undefined;
  }

  /** Resolves when the lease is held. Rejects with LEASE_LOST. */
  async ensure(lease: DeliveryLease): Promise<void> {
    await this.check(lease);
  }

  async #confirm(lease: DeliveryLease): Promise<void> {
    for (let round = 0; round < MAX_CONFIRMATIONS; round += 1) {
      await this.extend(lease);
      if (performance.now() < lease.endsAt) return;
    }
    this.#lose(lease);
    throw leaseLost();
  }

  /** Stops renewing. */
  close(): void {
    clearTimeout(this.#timer);
    this.#held.clear();
  }

  #untrack(lease: DeliveryLease): void {
    lease.isOver = true;
    this.#held.delete(lease);
    if (!IN_PAGE && this.#held.size === 0) this.#timer?.unref?.();
  }

  #lose(lease: DeliveryLease): void {
    if (lease.isOver) return;
    this.#untrack(lease);
    lease.isLost = true;
    lease.abort(leaseLost());
  }

  #push(settlement: Settlement, done: PendingSettlement['done']): void {
    this.#batch.push({ settlement, done });
    if (this.#batch.length === 1) queueMicrotask(() => this.#flush());
    else if (this.#batch.length === MAX_SETTLEMENTS) this.#flush();
  }

  #flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    if (batch.length > 0) void this.#settleBatch(batch);
  }

  async #settleBatch(batch: readonly PendingSettlement[]): Promise<void> {
    const results = await this.#trySettle(batch.map(({ settlement }) => settlement));
    batch.forEach(({ done }, index) => {
      const result = results[index];
      done(result?.status ?? 'unknown', result?.leaseLeftMs);
    });
  }

  /** Resolves without results if the outcome is unknown. A store that is too full for the entries settles without them. */
  async #trySettle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    try {
      return await this.#queues.settle(settlements);
    } catch (thrown) {
      const error = toBusbarError(thrown);
      this.#report(error);
      const hadRoom = error.code !== 'BACKPRESSURE' || error.outcome === 'unknown';
      // Not repeated: the settlements may have taken effect. Other messages are delivered again when their leases end.
      if (hadRoom || settlements.every(({ entry }) => entry === undefined)) return [];
      return this.#trySettle(settlements.map((settlement) => ({ ...settlement, entry: undefined })));
    }
  }

  #renew(lease: DeliveryLease): Promise<SettleStatus> {
    lease.isRenewing = true;
    const sentAt = performance.now();
    return new Promise((resolve) => {
      this.#push({ receipt: lease.receipt, action: 'extend' }, (status, leaseLeftMs) => {
        lease.isRenewing = false;
        if (status === 'lease-lost') this.#lose(lease);
        else this.#renewed(lease, status === 'done' ? sentAt + (leaseLeftMs ?? 0) : undefined);
        resolve(lease.isLost ? 'lease-lost' : status);
      });
    });
  }

  /**
   * Records the new end of a lease, counted from the sending of the renewal: the answer may be late. After an unknown outcome
   * it is renewed again before its old end. After an answer that came too late it is confirmed again.
   */
  #renewed(lease: DeliveryLease, endsAt: number | undefined): void {
    if (lease.isOver) return;
    const now = performance.now();
    if (endsAt !== undefined) lease.endsAt = endsAt;
    const left = lease.endsAt - now;
    lease.renewAt = now + (left > 0 ? left / 3 : GRACE_MS);
    if (left <= 0 && endsAt === undefined) this.#lose(lease);
    else this.#schedule(lease.renewAt, now);
  }

  /** The next tick is not later than a renewal at `renewAt`, nor than the next look at the event loop. */
  #schedule(renewAt: number, now: number): void {
    this.#renewalAt = Math.min(this.#renewalAt, renewAt);
    const at = this.#nextAt(now);
    if (at < this.#timerAt) this.#arm(at);
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = at;
    if (at === FOREVER) return;
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, at - performance.now()));
    // The timer keeps the process alive only while a lease is held.
    if (!IN_PAGE && this.#held.size === 0) this.#timer.unref?.();
  }

  #tick(): void {
    const now = performance.now();
    // Most ticks are looks at the event loop, which cost the same for one lease and for thousands.
    if (IN_PAGE || now - this.#timerAt > MIN_BLOCKED_MS || this.#renewalAt <= now || this.#held.size === 0)
      this.#visitAll(now);
    this.#arm(this.#nextAt(now));
  }

  #nextAt(now: number): number {
    return IN_PAGE ? this.#renewalAt : Math.min(this.#renewalAt, now + this.#lookMs);
  }

  /** Renews the due leases, and finds the next renewal. */
  #visitAll(now: number): void {
    this.#renewalAt = FOREVER;
    if (!IN_PAGE) this.#lookMs = FOREVER;
    for (const lease of this.#held) {
      if (!IN_PAGE) this.#noticeLate(lease, now);
      if (lease.renewAt <= now) this.#renewDue(lease, now);
      if (lease.isOver) continue;
      this.#renewalAt = Math.min(this.#renewalAt, lease.renewAt);
      if (!IN_PAGE) this.#lookMs = Math.min(this.#lookMs, lease.maxBlockedMs / LOOKS);
    }
  }

  /** A timer that is late shows a blocked event loop, which may have been blocked for longer. */
  #noticeLate(lease: DeliveryLease, now: number): void {
    if (lease.heldAt < this.#timerAt) lease.ran(now - this.#timerAt);
  }

  /** Renews a due lease. A lease that ends before its renewal is confirmed counts as lost. */
  #renewDue(lease: DeliveryLease, now: number): void {
    lease.renewAt = lease.endsAt > now ? lease.endsAt : now + GRACE_MS;
    if (!lease.isRenewing) void this.#renew(lease);
    else if (now >= lease.endsAt) this.#lose(lease);
  }
}

function leaseLost(): BusbarError {
  return new BusbarError('LEASE_LOST', 'the lease was lost: another consumer may have the message', {
    hint: 'Set a longer leaseMs, or do not block the event loop for longer than that.',
  });
}
