/** Heartbeats: entries with a TTL that are renewed while their owner is online. */

import type { KvTouch } from '../../contract/transport.ts';
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

const BEATS_PER_TTL = 3;
const MAX_TOUCHES = 10_000;
const encoder = new TextEncoder();

/** The heartbeats of one bus. Those of one TTL share a timer and a batch: 10,000 agents need one call per interval. */
export class Heartbeats {
  readonly #runtime: BusRuntime;
  readonly #groups = new Map<number, HeartbeatGroup>();

  constructor(runtime: BusRuntime) {
    this.#runtime = runtime;
  }

  /** Writes the entry and keeps it alive. */
  async start(beat: HeartbeatSpec): Promise<Heartbeat> {
    const living = new HeartbeatEntry(this.#runtime, beat);
    await living.write();
    let group = this.#groups.get(beat.ttlMs);
    if (group === undefined) {
      group = new HeartbeatGroup(this.#runtime, beat.ttlMs);
      this.#groups.set(beat.ttlMs, group);
    }
    group.add(living);
    return {
      refresh: () => living.write(),
      stop: () => {
        group.delete(living);
        return living.end();
      },
    };
  }
}

/** The heartbeats of one TTL. */
class HeartbeatGroup {
  readonly #runtime: BusRuntime;
  readonly #ttlMs: number;
  readonly #all = new Set<HeartbeatEntry>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #isBeating = false;
  #isFailing = false;

  constructor(runtime: BusRuntime, ttlMs: number) {
    this.#runtime = runtime;
    this.#ttlMs = ttlMs;
  }

  add(living: HeartbeatEntry): void {
    this.#all.add(living);
    this.#timer ??= setInterval(() => void this.#beat(), this.#ttlMs / BEATS_PER_TTL);
  }

  delete(living: HeartbeatEntry): void {
    this.#all.delete(living);
    if (this.#all.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #beat(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    try {
      const all = [...this.#all];
      const same = all.filter((living) => !living.isChanged);
      const writes = all.filter((living) => living.isChanged).map((living) => living.write());
      await Promise.all([...writes, ...this.#touch(same)]);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#runtime.report(error, 'heartbeat');
      this.#isFailing = true;
    }
    this.#isBeating = false;
  }

  #touch(all: readonly HeartbeatEntry[]): Promise<void>[] {
    const batches: Promise<void>[] = [];
    for (let start = 0; start < all.length; start += MAX_TOUCHES) {
      batches.push(this.#touchBatch(all.slice(start, start + MAX_TOUCHES)));
    }
    return batches;
  }

  async #touchBatch(batch: readonly HeartbeatEntry[]): Promise<void> {
    const touches = batch.map((living) => living.touch);
    const results = await this.#runtime.transport.kv.touch(touches, { timeoutMs: Math.max(1000, this.#ttlMs) });
    const gone = batch.filter((_, index) => results[index]?.status === 'lost');
    await Promise.all(gone.map((living) => living.write()));
  }
}

/** One entry that is renewed. */
class HeartbeatEntry {
  readonly #runtime: BusRuntime;
  readonly #beat: HeartbeatSpec;
  #written: string | undefined;
  #createRevision = 0;
  #isOver = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(runtime: BusRuntime, beat: HeartbeatSpec) {
    this.#runtime = runtime;
    this.#beat = beat;
  }

  get isChanged(): boolean {
    return this.#beat.value() !== this.#written;
  }

  get touch(): KvTouch {
    const { key, ttlMs } = this.#beat;
    return { key, ttlMs, createRevision: this.#createRevision };
  }

  /** Writes the entry, after earlier writes. */
  write(): Promise<void> {
    const before = this.#writing.catch(() => undefined);
    this.#writing = before.then(() => this.#write());
    return this.#writing;
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await withTimeout(this.#writing, CLEANUP_MS);
    await this.#runtime.transport.kv.delete(this.#beat.key, { timeoutMs: CLEANUP_MS });
  }

  async #write(): Promise<void> {
    if (this.#isOver) return;
    const { key, ttlMs } = this.#beat;
    const value = this.#beat.value();
    const result = await this.#runtime.transport.kv.put(key, encoder.encode(value), { ttlMs });
    this.#written = value;
    if (result.status !== 'stored') return;
    const wasEvicted = this.#createRevision !== 0 && this.#createRevision !== result.createRevision;
    this.#createRevision = result.createRevision;
    if (wasEvicted && !this.#isOver) this.#beat.onEvicted?.();
  }
}
