/** Renews entries with a TTL. */

import { type BusbarError, toBusbarError } from '../../contract/errors.ts';
import type { KeyValue } from '../../contract/kv.ts';
import { MAX_TIMER_MS } from '../../contract/validation.ts';
import { Deadline, DeadlineQueue } from '../../driver-kit/deadline-queue.ts';

/** An entry to renew. */
export interface RenewedEntry {
  readonly key: string;
  readonly ttlMs: number;
  readonly createRevision: number;
  /** Until when it certainly exists, by `performance.now()`. */
  until: number;
  /** False: it is not renewed; only its end is reported. */
  readonly renew: boolean;
  /** Called once, when it is lost or may be lost. */
  onLost(): void;
}

/** A failed renewal is repeated after this part of the TTL. */
const RETRY_PART = 12;
const RENEW_PART = 3;

/** Renews each entry every third of its TTL. Due entries share a batch, all entries one timer. */
export class LeaseRenewer {
  readonly #kv: KeyValue;
  readonly #report: (error: BusbarError) => void;
  readonly #deadlines = new DeadlineQueue();
  readonly #held = new Map<RenewedEntry, Deadline>();
  /** Entries that are renewed in the next microtask. */
  #due: RenewedEntry[] = [];

  /** `report` gets the errors of renewals that are repeated. */
  constructor(kv: KeyValue, report: (error: BusbarError) => void) {
    this.#kv = kv;
    this.#report = report;
  }

  /** Renews `held` until {@link LeaseRenewer.untrack}. */
  track(held: RenewedEntry): void {
    this.#held.set(held, new Deadline(() => this.#onDue(held)));
    this.#plan(held, held.until - held.ttlMs + held.ttlMs / RENEW_PART);
  }

  /** Stops renewing `held`. */
  untrack(held: RenewedEntry): void {
    const deadline = this.#held.get(held);
    if (deadline !== undefined) this.#deadlines.cancel(deadline);
    this.#held.delete(held);
  }

  /** Renews `held` now. Resolves with false when it is lost. */
  async renew(held: RenewedEntry): Promise<boolean> {
    if (!this.#held.has(held)) return false;
    await this.#touch([held]);
    return this.#held.has(held);
  }

  /** Learns now which entries are lost. */
  async renewAll(): Promise<void> {
    if (this.#held.size > 0) await this.#touch([...this.#held.keys()]);
  }

  #plan(held: RenewedEntry, at: number): void {
    const deadline = this.#held.get(held);
    if (deadline !== undefined) this.#deadlines.set(deadline, held.renew ? Math.min(at, held.until) : held.until);
  }

  #onDue(held: RenewedEntry): void {
    if (held.until <= performance.now()) {
      this.#lose(held);
      return;
    }
    // Scheduled first, so the deadline is checked even if a touch hangs.
    this.#plan(held, held.until);
    this.#due.push(held);
    if (this.#due.length === 1) queueMicrotask(() => this.#touchDue());
  }

  #touchDue(): void {
    const due = this.#due.filter((held) => this.#held.has(held));
    this.#due = [];
    if (due.length > 0) this.#touch(due).catch((error: unknown) => this.#retry(due, error));
  }

  async #touch(batch: readonly RenewedEntry[]): Promise<void> {
    const startedAt = performance.now();
    const longest = Math.max(...batch.map((held) => held.until - startedAt));
    const touches = batch.map(({ key, ttlMs, createRevision }) => ({ key, ttlMs, createRevision }));
    const results = await this.#kv.touch(touches, { timeoutMs: Math.min(MAX_TIMER_MS, Math.max(1, longest)) });
    for (const [index, held] of batch.entries()) {
      if (!this.#held.has(held)) continue;
      if (results[index]?.status !== 'touched') this.#lose(held);
      else {
        held.until = startedAt + held.ttlMs;
        this.#plan(held, startedAt + held.ttlMs / RENEW_PART);
      }
    }
  }

  #retry(batch: readonly RenewedEntry[], error: unknown): void {
    const now = performance.now();
    for (const held of batch) this.#plan(held, now + held.ttlMs / RETRY_PART);
    this.#report(toBusbarError(error));
  }

  #lose(held: RenewedEntry): void {
    this.untrack(held);
    held.onLost();
  }
}
