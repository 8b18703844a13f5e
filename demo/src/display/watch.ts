/** Watches a run: shows it a few times a second, and notices when nothing happens any more. */

import type { Bus, BusStats } from 'busbar';
import { AUDITS, RESULTS } from '../bus/names.ts';
import type { Tally } from '../report/run-stats.ts';
import { count } from '../report/table.ts';
import type { Display, Frame } from './display.ts';

/** What is watched, and where it is shown. */
export interface WatchPlan {
  readonly bus: Bus;
  readonly tally: Tally;
  readonly display: Display;
  /** How many processes there are to be. */
  readonly processes: number;
  /** Nothing was heard for `stallMs` (default 60,000). */
  onStall(text: string): void;
  readonly stallMs?: number;
}

const LOOK_EVERY_MS = 250;
const STALL_MS = 60_000;

/** Watches until it is disposed of. */
export class Watch implements Disposable {
  readonly #plan: WatchPlan;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout;
  #heardAt = performance.now();
  #begunAt: number | undefined;

  constructor(plan: WatchPlan) {
    this.#plan = plan;
    this.#timer = setTimeout(() => void this.#look(), LOOK_EVERY_MS);
  }

  /** Something was heard. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** The work begins: rates are counted from now on. */
  begin(): void {
    this.#begunAt = performance.now();
  }

  /** Seconds since the work began. */
  get seconds(): number {
    return this.#begunAt === undefined ? 0 : (performance.now() - this.#begunAt) / 1000;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#plan.display.clear();
  }

  async #look(): Promise<void> {
    const { bus, display, onStall, stallMs = STALL_MS } = this.#plan;
    const { signal } = this.#stop;
    try {
      const stats = await bus.stats({ signal });
      if (!signal.aborted) display.show(this.#frame(stats));
    } catch (error) {
      // A look that fails is made up for by the next one; whether the bus is of use the processes will say.
      if (!signal.aborted) display.show({ text: `cannot look at the bus: ${(error as Error).message}` });
    }
    if (signal.aborted) return;
    if (performance.now() - this.#heardAt > stallMs) onStall(`nothing happened for ${stallMs / 1000} s`);
    this.#timer = setTimeout(() => void this.#look(), LOOK_EVERY_MS);
  }

  #frame({ agents, queues }: BusStats): Frame {
    const { tally, processes } = this.#plan;
    const online = agents.reduce((sum, { instances }) => sum + instances, 0);
    if (this.#begunAt === undefined) {
      const found = tally.files > 0 ? `found ${count(tally.files)} files so far` : 'starting';
      return { text: `${found} · agents online: ${online} of ${processes}` };
    }
    const done = Math.min(tally.merged, tally.files);
    const depths = queues
      .filter(({ name }) => name === AUDITS || name === RESULTS)
      .map(({ name, ready, delayed, leased }) => `${name} ${count(ready + delayed + leased)}`);
    const parts = [
      `${count(done)}/${count(tally.files)} files`,
      `${count(done / this.seconds)}/s`,
      `agents online: ${online}`,
      `queued: ${depths.join(', ')}`,
    ];
    return { share: done / tally.files, text: parts.join(' · ') };
  }
}
