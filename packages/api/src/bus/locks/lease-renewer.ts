/** Renews entries with a TTL. */

import { type BusbarError, toBusbarError } from '../../contract/errors.ts';
import type { KeyValue } from '../../contract/transport.ts';
import { MAX_TIMER_MS } from '../../contract/validation.ts';

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
  readonly #dueAt = new Map<RenewedEntry, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** `report` gets the errors of renewals that are repeated. */
  constructor(kv: KeyValue, report: (error: BusbarError) => void) {
    this.#kv = kv;
    this.#report = report;
  }

  /** Renews `held` until {@link LeaseRenewer.untrack}. */
  track(held: RenewedEntry): void {
    this.#plan(held, held.until - held.ttlMs + held.ttlMs / RENEW_PART);
    this.#arm();
  }

  /** Stops renewing `held`. */
  untrack(held: RenewedEntry): void {
    this.#dueAt.delete(held);
    if (this.#dueAt.size === 0) this.#disarm();
  }

  /** Renews `held` now. Resolves with false when it is lost. */
  async renew(held: RenewedEntry): Promise<boolean> {
    if (!this.#dueAt.has(held)) return false;
    await this.#touch([held]);
    return this.#dueAt.has(held);
  }

  /** Whether `held` is renewed. */
  has(held: RenewedEntry): boolean {
    return this.#dueAt.has(held);
  }

  #plan(held: RenewedEntry, at: number): void {
    this.#dueAt.set(held, held.renew ? Math.min(at, held.until) : held.until);
  }

  #arm(): void {
    let next = Number.POSITIVE_INFINITY;
    for (const at of this.#dueAt.values()) next = Math.min(next, at);
    if (next === this.#timerAt) return;
    this.#disarm();
    if (next === Number.POSITIVE_INFINITY) return;
    this.#timerAt = next;
    const ms = Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(next - performance.now())));
    this.#timer = setTimeout(() => this.#fire(), ms);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #fire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    const due: RenewedEntry[] = [];
    for (const [held, at] of this.#dueAt) {
      if (held.until <= now) this.#lose(held);
      else if (at <= now) due.push(held);
    }
    // Scheduled first, so the deadline is checked even if a touch hangs.
    for (const held of due) this.#plan(held, held.until);
    if (due.length > 0) this.#touch(due).catch((error: unknown) => this.#retry(due, error));
    this.#arm();
  }

  async #touch(batch: readonly RenewedEntry[]): Promise<void> {
    const startedAt = performance.now();
    const longest = Math.max(...batch.map((held) => held.until - startedAt));
    const touches = batch.map(({ key, ttlMs, createRevision }) => ({ key, ttlMs, createRevision }));
    const results = await this.#kv.touch(touches, { timeoutMs: Math.min(MAX_TIMER_MS, Math.max(1, longest)) });
    for (const [index, held] of batch.entries()) {
      if (!this.#dueAt.has(held)) continue;
      if (results[index]?.status !== 'touched') this.#lose(held);
      else {
        held.until = startedAt + held.ttlMs;
        this.#plan(held, startedAt + held.ttlMs / RENEW_PART);
      }
    }
    this.#arm();
  }

  #retry(batch: readonly RenewedEntry[], error: unknown): void {
    const now = performance.now();
    for (const held of batch) if (this.#dueAt.has(held)) this.#plan(held, now + held.ttlMs / RETRY_PART);
    this.#arm();
    this.#report(toBusbarError(error));
  }

  #lose(held: RenewedEntry): void {
    this.#dueAt.delete(held);
    held.onLost();
  }
}
