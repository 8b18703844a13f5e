/** A timer of a test clock. */

import type { HeapItem } from '../driver-kit/heap.ts';

/** What a timer needs of its clock. */
export interface TimerHost {
  /** Starts the time of a timer again. */
  arm(timer: VirtualTimer): void;
  disarm(timer: VirtualTimer): void;
  /** A timer keeps the process alive, or does so no longer. */
  count(change: 1 | -1): void;
}

let lastId = 0;

/** Like the timers of Node. */
export class VirtualTimer implements HeapItem {
  slot = -1;
  /** When it is due, on the clock of `performance.now()`. */
  at = 0;
  readonly id: number;
  readonly delayMs: number;
  readonly repeats: boolean;
  readonly run: () => void;
  readonly #host: TimerHost;
  #holds = true;

  constructor(host: TimerHost, { delayMs, repeats, run }: Pick<VirtualTimer, 'delayMs' | 'repeats' | 'run'>) {
    lastId += 1;
    this.id = lastId;
    this.#host = host;
    this.delayMs = delayMs;
    this.repeats = repeats;
    this.run = run;
  }

  /** Whether it is pending and keeps the process alive. */
  get holds(): boolean {
    return this.#holds && this.slot >= 0;
  }

  hasRef(): boolean {
    return this.#holds;
  }

  ref(): this {
    return this.#hold(true);
  }

  unref(): this {
    return this.#hold(false);
  }

  refresh(): this {
    this.#host.disarm(this);
    this.#host.arm(this);
    return this;
  }

  close(): this {
    this.#host.disarm(this);
    return this;
  }

  [Symbol.toPrimitive](): number {
    return this.id;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #hold(holds: boolean): this {
    const before = this.holds;
    this.#holds = holds;
    if (this.holds !== before) this.#host.count(holds ? 1 : -1);
    return this;
  }
}
