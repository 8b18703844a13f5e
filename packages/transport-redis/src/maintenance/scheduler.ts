/** Schedules maintenance. Every process runs it at intervals; the first run after work is due does the work. */

import { Deadline, DeadlineQueue, type WaitingReceives, type WorkFailures } from '@busbar/api/driver';
import type { ReconnectingClient } from '../connection/client.ts';
import type { PastReply } from '../connection/store-past.ts';
import type { KvWatches } from '../kv/watch.ts';
import { toLuaNumber } from '../lua/arguments.ts';
import { MAINTAIN } from '../lua/maintenance.ts';
import type { Settings } from '../options.ts';
import { NEW_QUEUE } from '../queues/settings.ts';
import type { Backfill } from '../topics/backfill.ts';
import type { EventCursors } from '../topics/cursors.ts';

/** A run without due work takes the server 40 µs. */
const PAUSE_MS = 1_000;
/** Waiting queues of one run whose registration is checked. */
const MAX_CHECKED = 50;
/** For a process that waits for nothing, and with many processes: each one looks at the past of the store. */
const IDLE_PAUSE_MS = 5_000;
/** The processes of a namespace together run about this often while work is planned. */
const SHARED_PAUSE_MS = 25;

/** The store, and what depends on its maintenance in this process. */
export interface SchedulerTargets {
  readonly waiting: WaitingReceives;
  readonly cursors: EventCursors;
  readonly watches: KvWatches;
  readonly backfill: Backfill;
  readonly failures: WorkFailures;
}

/** `forgotten`: queues for which this process waits, and of which the store does not know that. */
type Reply = readonly [
  at: Buffer,
  expiryMs: number,
  isMore: number,
  dueMs: number,
  processes: number,
  past: PastReply,
  forgotten: readonly Buffer[],
  backfills: readonly Buffer[],
  gateRevision: Buffer,
];

export class Scheduler {
  readonly #client: ReconnectingClient;
  readonly #settings: Settings;
  readonly #targets: SchedulerTargets;
  readonly #deadlines = new DeadlineQueue();
  readonly #nextRun = new Deadline(() => void this.#run());
  #checked = 0;
  #gateRevision = '0';
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
      if (!this.#isClosed) this.#targets.failures.report('maintenance', error);
    }
    this.#isRunning = false;
    this.#runWithin(pauseMs);
  }

  /** Does the due work. Returns the pause until the next run. */
  async #maintain(): Promise<number> {
    const { maxEvents, maxBytes, maxAgeMs } = this.#settings.retention;
    const { past } = this.#client;
    const { waiting, cursors, backfill } = this.#targets;
    const bounds = [maxEvents, maxBytes, maxAgeMs].map(toLuaNumber);
    const onReply = (reply: unknown): void => {
      const [at, , , , , found] = reply as Reply;
      past.observe(found);
      past.maintained(String(at));
    };
    for (;;) {
      const options = { deadline: performance.now() + PAUSE_MS, repeat: true, onReply };
      const args = [...past.args(), ...bounds, NEW_QUEUE, ...this.#nextWaiting()];
      const reply = (await this.#client.run(MAINTAIN, args, options)) as Reply;
      const [, expiryMs, isMore, dueMs, processes, found, forgotten, backfills, gateRevision] = reply;
      cursors.advance(String(found[6]));
      this.#seeGate(String(gateRevision));
      for (const queue of forgotten) waiting.wake(queue.toString());
      for (const queue of backfills) void backfill.run(queue.toString());
      if (isMore === 0 || this.#isClosed) return this.#pause(expiryMs, dueMs, processes);
    }
  }

  /** A gate that has changed may let receives claim again, or refuse them. */
  #seeGate(revision: string): void {
    if (revision === this.#gateRevision) return;
    this.#gateRevision = revision;
    this.#targets.waiting.wakeAll();
  }

  /** Some queues that this process waits for. Each has its turn as the first one, which is checked more thoroughly. */
  #nextWaiting(): readonly string[] {
    const queues = [...this.#targets.waiting.queues];
    this.#checked = (this.#checked + 1) % Math.max(1, queues.length);
    return [...queues.slice(this.#checked), ...queues.slice(0, this.#checked)].slice(0, MAX_CHECKED);
  }

  /** With few processes each runs close to the time when work is due. Many processes share the runs by random pauses. */
  #pause(expiryMs: number, dueMs: number, processes: number): number {
    const { waiting, cursors, watches } = this.#targets;
    if (waiting.queues.size === 0 && watches.isEmpty && cursors.isEmpty) return IDLE_PAUSE_MS;
    const jitter = Math.random() * 20;
    const share = processes * SHARED_PAUSE_MS * (0.5 + Math.random());
    const longest = Math.min(IDLE_PAUSE_MS, Math.max(PAUSE_MS, share));
    const due = dueMs < 0 ? longest : Math.max(dueMs + 1 + jitter, share);
    const expiry = watches.isEmpty || expiryMs < 0 ? longest : expiryMs + 1 + jitter;
    return Math.min(longest, due, expiry);
  }
}
