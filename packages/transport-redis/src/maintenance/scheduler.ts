/** Schedules maintenance. Every process runs it at intervals; the first run after work is due does the work. */

import { Deadline, DeadlineQueue, type WaitingReceives } from '@busbar/api/driver';
import { BusbarError, newId } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { newHeaderArgs } from '../connection/store-header.ts';
import type { KvWatches } from '../kv/watch.ts';
import { toLuaNumber } from '../lua/arguments.ts';
import { MAINTAIN } from '../lua/maintenance.ts';
import type { Settings } from '../options.ts';
import type { Backfill } from '../topics/backfill.ts';
import type { EventCursors } from '../topics/cursors.ts';

/** A run without due work takes the server 20 µs. */
const PAUSE_MS = 1_000;
/** For a process without a pending receive, cursor or watch. */
const IDLE_PAUSE_MS = 5_000;
/** The processes of a namespace together run about this often while work is planned. */
const SHARED_PAUSE_MS = 25;

/** The store, and what depends on its maintenance in this process. */
export interface SchedulerTargets {
  readonly waiting: WaitingReceives;
  readonly cursors: EventCursors;
  readonly watches: KvWatches;
  readonly backfill: Backfill;
  readonly storeId: string;
}

type Reply = [expiryMs: number, isMore: number, last: Buffer, dueMs: number, processes: number, ...queues: Buffer[]];

export class Scheduler {
  readonly #client: ReconnectingClient;
  readonly #settings: Settings;
  readonly #targets: SchedulerTargets;
  readonly #process = newId();
  readonly #deadlines = new DeadlineQueue({ keepsAlive: false });
  readonly #nextRun = new Deadline(() => void this.#run());
  #isRunning = false;
  #isClosed = false;

  constructor(client: ReconnectingClient, settings: Settings, targets: SchedulerTargets) {
    this.#client = client;
    this.#settings = settings;
    this.#targets = targets;
    targets.waiting.onChange(() => this.#runWithin(PAUSE_MS));
    targets.cursors.onOpen(() => this.#runWithin(PAUSE_MS));
    targets.watches.onExpiry((ms) => this.#runWithin(Math.min(ms, PAUSE_MS)));
    this.#runWithin(IDLE_PAUSE_MS);
  }

  close(): void {
    this.#isClosed = true;
    this.#deadlines.clear();
  }

  #runWithin(ms: number): void {
    const at = performance.now() + ms;
    if (!this.#isClosed && !this.#isRunning && at < this.#nextRun.at) this.#deadlines.set(this.#nextRun, at);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    let pauseMs = PAUSE_MS;
    try {
      pauseMs = await this.#maintain();
    } catch (error) {
      if (!this.#isClosed && error instanceof BusbarError) this.#settings.onError(error);
    }
    this.#isRunning = false;
    this.#runWithin(pauseMs);
  }

  /** Does the due work. Returns the pause until the next run. */
  async #maintain(): Promise<number> {
    const { maxEvents, maxBytes, maxAgeMs } = this.#settings.retention;
    const args = [
      ...[maxEvents, maxBytes, maxAgeMs].map(toLuaNumber),
      this.#process,
      ...newHeaderArgs(this.#targets.storeId),
    ];
    for (;;) {
      const options = { deadline: performance.now() + PAUSE_MS, repeat: true };
      const reply = (await this.#client.run(MAINTAIN, args, options)) as Reply;
      const [expiryMs, isMore, last, dueMs, processes, ...queues] = reply;
      this.#targets.cursors.advance(String(last));
      for (const queue of queues) void this.#targets.backfill.run(queue.toString());
      if (isMore === 0 || this.#isClosed) return this.#pause(expiryMs, dueMs, processes);
    }
  }

  /** With few processes each runs close to the time when work is due. Many processes share the runs by random pauses. */
  #pause(expiryMs: number, dueMs: number, processes: number): number {
    const { waiting, cursors, watches } = this.#targets;
    if (waiting.queues.size === 0 && watches.isEmpty && cursors.isEmpty) return IDLE_PAUSE_MS;
    const jitter = Math.random() * 20;
    const share = processes * SHARED_PAUSE_MS * (0.5 + Math.random());
    const due = dueMs < 0 ? PAUSE_MS : Math.max(dueMs + 1 + jitter, share);
    const expiry = watches.isEmpty || expiryMs < 0 ? PAUSE_MS : expiryMs + 1 + jitter;
    return Math.min(PAUSE_MS, due, expiry);
  }
}
