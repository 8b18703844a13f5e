/** Doing what has to be done though nobody asks: each process looks now and then, and whoever comes first does it. */

import { BusbarError, newId } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import { SCRIPTS } from '../lua/scripts.ts';
import type { Settings } from '../options.ts';

/** A look takes the server 20 µs. */
const LOOK_MS = 1_000;
const IDLE_LOOK_MS = 5_000;
/** All processes together look about this often at what is planned. */
const SHARE_MS = 25;

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
  readonly #id = newId();
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
      const args = [...[maxEvents, maxBytes, maxAgeMs].map(boundless), this.#id];
      const reply = (await this.#link.run(SCRIPTS.tick, args, bounds)) as Reply;
      const [entryMs, more, last, plannedMs, keepers, ...copying] = reply;
      this.#keeping.onLog(String(last));
      for (const queue of copying) this.#keeping.onCopying(queue.toString());
      if (more === 0 || this.#isClosed) return this.#pause(entryMs, plannedMs, keepers);
    }
  }

  /** The fewer look, the closer each keeps to what is planned; many come at different moments by themselves. */
  #pause(entryMs: number, plannedMs: number, keepers: number): number {
    if (!this.#keeping.isWanted()) return IDLE_LOOK_MS;
    const jitter = Math.random() * 20;
    const share = keepers * SHARE_MS * (0.5 + Math.random());
    const planned = plannedMs < 0 ? LOOK_MS : Math.max(plannedMs + 1 + jitter, share);
    const ending = !this.#keeping.isWatching() || entryMs < 0 ? LOOK_MS : entryMs + 1 + jitter;
    return Math.min(LOOK_MS, planned, ending);
  }
}

type Reply = [entryMs: number, more: number, last: Buffer, plannedMs: number, keepers: number, ...copying: Buffer[]];

/** Lua reads no Infinity. */
export function boundless(value: number): number {
  return value === Number.POSITIVE_INFINITY ? Number.MAX_SAFE_INTEGER : value;
}
