/** Watches a run: shows it a few times a second, and notices when nothing happens any more. */

import type { Bus } from 'busbar';
import type { Display } from './display.ts';
import { AUDITS, RESULTS } from './names.ts';
import type { Tally } from './tally.ts';

/** What is watched, and where it is shown. */
export interface WatchPlan {
  readonly bus: Bus;
  readonly tally: Tally;
  readonly display: Display;
  /** Nothing was heard for too long. */
  onStall(text: string): void;
}

const LOOK_EVERY_MS = 250;
const STALL_MS = 60_000;

/** Watches until it is disposed of. */
export class Watch implements Disposable {
  readonly #plan: WatchPlan;
  #timer: NodeJS.Timeout;
  #isOver = false;
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
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const { bus, tally, display, onStall } = this.#plan;
    try {
      const [queues, agents] = await Promise.all([
        bus.transport.admin.queues({ names: [AUDITS, RESULTS] }),
        bus.agents({ online: true }),
      ]);
      if (this.#isOver) return;
      display.show({
        phase: tally.isFound ? 'audited' : 'found',
        done: tally.isFound ? Math.min(tally.merged, tally.files) : tally.files,
        files: tally.files,
        seconds: this.seconds,
        agents: agents.length,
        queues: queues.map(({ name, ready, delayed, leased }) => [name, ready + delayed + leased]),
      });
    } catch (error) {
      if (this.#isOver) return;
      display.say(`demo: cannot look at the bus: ${(error as Error).message}`);
    }
    if (performance.now() - this.#heardAt > STALL_MS) onStall(`nothing happened for ${STALL_MS / 1000} s`);
    this.#timer = setTimeout(() => void this.#look(), LOOK_EVERY_MS);
  }
}
