/** Doing what has to be done though nobody calls, and looking for rings that were missed. */

import type { Store } from '../connection/store.ts';
import type { Sleepers } from '../wakeup/commit-notifier.ts';
import { Housekeeping } from './compactor.ts';
import { bringForward, isSomethingDue, nextForEntries, nextForQueues } from './due-work.ts';

/** A look at the store takes 20 µs, so once a second is 0.002 % of a CPU. */
const LOOK_MS = 1000;
/** Where no bell is heard: looks while something went on within the last second, and otherwise. */
const DEAF_BUSY_MS = 2;
const DEAF_IDLE_MS = 25;
const BUSY_FOR_MS = 1000;
/** A process that neither waits nor watches still helps to keep the store small. */
const IDLE_LOOK_MS = 5000;
/** As long as so few queues are waited for, each is looked at; beyond, all that hold something are listed. */
const FEW_QUEUES = 100;

export class Sweeper {
  readonly #store: Store;
  readonly #sleepers: Sleepers;
  readonly #housekeeping: Housekeeping;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #dataVersion = -1;
  #changedAt = 0;
  #isBusy = false;
  #isClosed = false;

  constructor(store: Store, sleepers: Sleepers) {
    this.#store = store;
    this.#sleepers = sleepers;
    this.#housekeeping = new Housekeeping(store, sleepers);
    this.#arm(IDLE_LOOK_MS);
  }

  /** Who waits, or for what, has changed: so may have when to look next. */
  reschedule(): void {
    if (this.#isClosed) return;
    this.#sleepers.bell.keepAlive(this.#isWanted());
    this.#arm(this.#pause());
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** The bell was rung. */
  rung(): void {
    if (this.#isClosed) return;
    this.#lookAtQueues();
    this.#sleepers.cursors.look();
    this.#sleepers.watches.look();
    this.reschedule();
  }

  #isWanted(): boolean {
    const { waiting, cursors, watches } = this.#sleepers;
    return waiting.size + cursors.size + watches.size > 0;
  }

  #arm(ms: number): void {
    const at = performance.now() + ms;
    const isSoonEnough = this.#timer !== undefined && this.#timerAt <= at + 0.5;
    if (!isSoonEnough) {
      clearTimeout(this.#timer);
      this.#timerAt = at;
      this.#timer = setTimeout(() => void this.#tick(), ms);
    }
    if (this.#isWanted()) this.#timer?.ref();
    else this.#timer?.unref();
  }

  /** How long nothing has to be looked at. */
  #pause(): number {
    const { waiting, watches } = this.#sleepers;
    if (!this.#isWanted()) return IDLE_LOOK_MS;
    const forQueues = waiting.size > 0 ? nextForQueues(this.#store) : Number.POSITIVE_INFINITY;
    const forEntries = watches.size > 0 ? nextForEntries(this.#store) : Number.POSITIVE_INFINITY;
    const untilDue = Math.max(0, Math.min(forQueues, forEntries) - this.#store.clock.now());
    return Math.min(LOOK_MS, this.#deafPause(), waiting.lookMs, untilDue);
  }

  #deafPause(): number {
    if (this.#sleepers.bell.isHeard) return LOOK_MS;
    return performance.now() - this.#changedAt < BUSY_FOR_MS ? DEAF_BUSY_MS : DEAF_IDLE_MS;
  }

  async #tick(): Promise<void> {
    this.#timer = undefined;
    if (this.#isClosed || this.#isBusy) return;
    this.#isBusy = true;
    try {
      await this.#work();
    } catch (error) {
      if (!this.#isClosed && error instanceof Error) this.#store.settings.onError(error);
    }
    this.#isBusy = false;
    if (!this.#isClosed) this.#arm(Math.max(1, this.#nextPause()));
  }

  async #work(): Promise<void> {
    if (this.#hasChanged()) this.rung();
    this.#sleepers.waiting.useQueues();
    while (!this.#isClosed && isSomethingDue(this.#store)) {
      if (!(await this.#sleepers.batcher.write(bringForward))) break;
    }
    if (!this.#isClosed) await this.#housekeeping.run();
  }

  /** After a failure, too, it goes on. */
  #nextPause(): number {
    try {
      return this.#pause();
    } catch {
      return LOOK_MS;
    }
  }

  /** Whether another process has written since the last look. */
  #hasChanged(): boolean {
    const version = this.#store.value('PRAGMA data_version') as number;
    if (version === this.#dataVersion) return false;
    this.#dataVersion = version;
    this.#changedAt = performance.now();
    return true;
  }

  /** Has those look whose queue holds something. */
  #lookAtQueues(): void {
    const { waiting } = this.#sleepers;
    if (waiting.queues.size <= FEW_QUEUES) {
      for (const queue of [...waiting.queues.keys()]) waiting.look(queue);
      return;
    }
    const ready = this.#store.sql<[string]>('SELECT name FROM queue WHERE ns=? AND ready > 0').all(this.#store.ns);
    for (const [queue] of ready) waiting.look(queue);
  }
}
