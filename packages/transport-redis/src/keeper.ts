/** Doing what has to be done though nobody asks: each process looks now and then, and whoever comes first does it. */

import { BusbarError } from '@busbar/api/transport';
import type { Link } from './link.ts';
import type { Settings } from './options.ts';
import { SCRIPTS } from './scripts.ts';

/** A look takes the server 20 µs. */
const LOOK_MS = 1_000;
const IDLE_LOOK_MS = 5_000;

/** What the keeper is told and tells. */
export interface Keeping {
  /** Whether somebody waits here for what is to come. */
  isWanted(): boolean;
  /** Whether somebody watches entries here: their end is told in time then. */
  isWatching(): boolean;
  /** This was the last event of the log. */
  onLog(id: string): void;
  /** A queue has history of a binding that is not copied yet. */
  onCopying(queue: string): void;
}

export class Keeper {
  readonly #link: Link;
  readonly #settings: Settings;
  readonly #keeping: Keeping;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #isBusy = false;
  #isClosed = false;

  constructor(link: Link, settings: Settings, keeping: Keeping) {
    this.#link = link;
    this.#settings = settings;
    this.#keeping = keeping;
    this.#arm(IDLE_LOOK_MS);
  }

  /** Somebody began to wait or to watch, or an entry ends in `ms`. */
  reschedule(ms: number = LOOK_MS): void {
    this.#arm(Math.min(ms, LOOK_MS));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #arm(ms: number): void {
    const at = performance.now() + ms;
    if (this.#isClosed || this.#isBusy || this.#timerAt <= at) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => void this.#tick(), Math.ceil(ms));
    this.#timer.unref();
  }

  async #tick(): Promise<void> {
    this.#isBusy = true;
    let pause = LOOK_MS;
    try {
      pause = await this.#look();
    } catch (error) {
      if (!this.#isClosed && error instanceof BusbarError) this.#settings.onError(error);
    }
    this.#isBusy = false;
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#arm(pause);
  }

  /** Does what is due. When to look again. */
  async #look(): Promise<number> {
    const { maxEvents, maxBytes, maxAgeMs } = this.#settings.retention;
    for (;;) {
      const bounds = { deadline: performance.now() + LOOK_MS, repeat: true };
      const args = [maxEvents, maxBytes, maxAgeMs].map(boundless);
      const reply = (await this.#link.run(SCRIPTS.tick, args, bounds)) as [number, number, Buffer, ...Buffer[]];
      const [entryMs, more, last, ...copying] = reply;
      this.#keeping.onLog(String(last));
      for (const queue of copying) this.#keeping.onCopying(queue.toString());
      if (more === 0 || this.#isClosed) return this.#pause(entryMs);
    }
  }

  #pause(entryMs: number): number {
    if (!this.#keeping.isWanted()) return IDLE_LOOK_MS;
    if (!this.#keeping.isWatching() || entryMs < 0) return LOOK_MS;
    // Of many who watch, not all look at the same moment.
    return Math.min(LOOK_MS, entryMs + 1 + Math.random() * 20);
  }
}

/** Lua reads no Infinity. */
export function boundless(value: number): number {
  return value === Number.POSITIVE_INFINITY ? Number.MAX_SAFE_INTEGER : value;
}
