/** Heartbeats: entries with a TTL that are renewed while their owner is online. */

import type { KvTouch } from '../../contract/kv.ts';
import { withTimeout } from '../bounded-wait.ts';
import type { BusRuntime } from '../runtime.ts';
import { CLEANUP_MS } from '../shutdown.ts';

/** An entry to keep alive. */
export interface HeartbeatSpec {
  /** A key that no other heartbeat has. */
  readonly key: string;
  readonly ttlMs: number;
  /** The present value. A changed value is written; otherwise the entry is only renewed. */
  value(): string;
  /** Called after the entry was missing, by a pause longer than the TTL or a deletion. It exists again. */
  onEvicted?(): void;
}

/** A running heartbeat. */
export interface Heartbeat {
  /** Writes the entry now. */
  refresh(): Promise<void>;
  /** Stops it and deletes the entry. */
  stop(): Promise<void>;
}

/** Two renewals per TTL, so that one may be lost. */
const INTERVAL_PER_TTL = 0.4;
/**
 * The renewals of all processes fall on common moments, this many per interval: an idle server or hub wakes up for each moment,
 * not for each member.
 */
const MOMENTS_PER_INTERVAL = 20;
const MAX_TOUCHES = 10_000;
const encoder = new TextEncoder();

/** The heartbeats of one bus. Those of one TTL share a timer and a batch: 10,000 agents need one call per interval. */
export class Heartbeats {
  readonly #runtime: BusRuntime;
  readonly #groups = new Map<number, HeartbeatGroup>();

  constructor(runtime: BusRuntime) {
    this.#runtime = runtime;
    runtime.declarations.add({ kind: 'heartbeat' }, () =>
      Promise.all([...this.#groups.values()].map((group) => group.restore())),
    );
  }

  /** Writes the entry and keeps it alive. */
  async start(spec: HeartbeatSpec): Promise<Heartbeat> {
    const entry = new HeartbeatEntry(this.#runtime, spec);
    await entry.write();
    let group = this.#groups.get(spec.ttlMs);
    if (group === undefined) {
      group = new HeartbeatGroup(this.#runtime, spec.ttlMs);
      this.#groups.set(spec.ttlMs, group);
    }
    group.add(entry);
    return {
      refresh: () => entry.write(),
      stop: () => {
        group.delete(entry);
        return entry.end();
      },
    };
  }
}

/** The heartbeats of one TTL. */
class HeartbeatGroup {
  readonly #runtime: BusRuntime;
  readonly #ttlMs: number;
  readonly #all = new Set<HeartbeatEntry>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isRenewing = false;
  #isFailing = false;

  constructor(runtime: BusRuntime, ttlMs: number) {
    this.#runtime = runtime;
    this.#ttlMs = ttlMs;
  }

  add(entry: HeartbeatEntry): void {
    this.#all.add(entry);
    if (this.#timer === undefined) this.#schedule();
  }

  delete(entry: HeartbeatEntry): void {
    this.#all.delete(entry);
    if (this.#all.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Writes all entries, after the store may have lost them. */
  async restore(): Promise<void> {
    await Promise.all([...this.#all].map((entry) => entry.restore()));
  }

  #schedule(): void {
    this.#timer = setTimeout(
      () => {
        this.#schedule();
        void this.#renewAll();
      },
      untilMoment(this.#ttlMs * INTERVAL_PER_TTL, Date.now()),
    );
  }

  async #renewAll(): Promise<void> {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    try {
      const all = [...this.#all];
      const same = all.filter((entry) => !entry.isChanged);
      const writes = all.filter((entry) => entry.isChanged).map((entry) => entry.write());
      await Promise.all([...writes, ...this.#touch(same)]);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#runtime.report(error, { kind: 'heartbeat' });
      this.#isFailing = true;
    }
    this.#isRenewing = false;
  }

  #touch(all: readonly HeartbeatEntry[]): Promise<void>[] {
    const batches: Promise<void>[] = [];
    for (let start = 0; start < all.length; start += MAX_TOUCHES) {
      batches.push(this.#touchBatch(all.slice(start, start + MAX_TOUCHES)));
    }
    return batches;
  }

  async #touchBatch(batch: readonly HeartbeatEntry[]): Promise<void> {
    const touches = batch.map((entry) => entry.touch);
    const results = await this.#runtime.transport.kv.touch(touches, { timeoutMs: Math.max(1000, this.#ttlMs) });
    const gone = batch.filter((_, index) => results[index]?.status === 'lost');
    await Promise.all(gone.map((entry) => entry.write()));
  }
}

/** One entry that is renewed. */
class HeartbeatEntry {
  readonly #runtime: BusRuntime;
  readonly #spec: HeartbeatSpec;
  #written: string | undefined;
  #createRevision = 0;
  #isOver = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(runtime: BusRuntime, spec: HeartbeatSpec) {
    this.#runtime = runtime;
    this.#spec = spec;
  }

  get isChanged(): boolean {
    return this.#spec.value() !== this.#written;
  }

  get touch(): KvTouch {
    const { key, ttlMs } = this.#spec;
    return { key, ttlMs, createRevision: this.#createRevision };
  }

  /** Writes the entry, after earlier writes. */
  write(): Promise<void> {
    const before = this.#writing.catch(() => undefined);
    this.#writing = before.then(() => this.#write());
    return this.#writing;
  }

  /** Writes the entry; that it was missing is no eviction. */
  restore(): Promise<void> {
    this.#createRevision = 0;
    // Until then it cannot be touched.
    this.#written = undefined;
    return this.write();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await withTimeout(this.#writing, CLEANUP_MS);
    await this.#runtime.transport.kv.delete(this.#spec.key, { timeoutMs: CLEANUP_MS });
  }

  async #write(): Promise<void> {
    if (this.#isOver) return;
    const { key, ttlMs } = this.#spec;
    const value = this.#spec.value();
    const result = await this.#runtime.transport.kv.put(key, encoder.encode(value), { ttlMs });
    this.#written = value;
    if (result.status !== 'stored') return;
    const wasEvicted = this.#createRevision !== 0 && this.#createRevision !== result.createRevision;
    this.#createRevision = result.createRevision;
    if (wasEvicted && !this.#isOver) this.#spec.onEvicted?.();
  }
}

/** The time until the last common moment of an interval from `now` on. A timer that fired a little early loses no moment. */
export function untilMoment(intervalMs: number, now: number): number {
  const stepMs = intervalMs / MOMENTS_PER_INTERVAL;
  const latest = now + intervalMs + stepMs / 10;
  return Math.ceil(latest - (latest % stepMs) - now);
}
