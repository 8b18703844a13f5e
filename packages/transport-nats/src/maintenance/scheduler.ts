/** Says when a queue that this process uses is cleaned up: now and then while it is used, and once more afterwards. */

import type { Operations } from '../admin/operate.ts';
import type { QueueViews } from '../admin/queue-view.ts';
import type { QueueGround } from '../queues/ground.ts';
import { Compactor } from './compactor.ts';

const EVERY_MS = 10_000;
/** The memory of ids keeps what was sent last for this long. */
const AFTER_MS = 130_000;
const AT_ONCE = 200;

/** The cleaning of one transport. */
export class Scheduler {
  readonly #ground: QueueGround;
  readonly #views: QueueViews;
  readonly #operations: Operations;
  readonly #compactor: Compactor;
  /** Queues that were used, and when they are to be cleaned once more. */
  readonly #later = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #isBusy = false;

  constructor(ground: QueueGround, views: QueueViews, operations: Operations) {
    this.#operations = operations;
    this.#ground = ground;
    this.#views = views;
    this.#compactor = new Compactor(ground);
    // Of many processes each looks at another time.
    this.#timer = setInterval(() => void this.#round(), EVERY_MS * (1 + Math.random()));
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** What was used again is noted again. */
  async #deleteIdle(): Promise<void> {
    const { idle } = this.#ground.records;
    const names = [...idle].slice(0, AT_ONCE);
    const left = await Promise.all(names.map(async (name) => ({ name, found: await this.#ground.records.find(name) })));
    await this.#operations.deleteIdle(names);
    for (const { name, found } of left) {
      idle.delete(name);
      if (found !== undefined && this.#ground.records.isSeen(found.record)) idle.add(name);
    }
  }

  async #round(): Promise<void> {
    const { used, expiring, wire } = this.#ground;
    if (this.#isBusy || !wire.link.isUp) return;
    this.#isBusy = true;
    const now = performance.now();
    const due = [...this.#later].filter(([, at]) => at <= now).map(([name]) => name);
    for (const name of used) this.#later.set(name, now + AFTER_MS);
    const names = new Set([...used, ...due]);
    used.clear();
    for (const name of due) if (!names.has(name) || (this.#later.get(name) ?? 0) <= now) this.#later.delete(name);
    try {
      for (const name of expiring) {
        expiring.delete(name);
        const view = await this.#views.open(name);
        if (view?.all.some(({ stored, state }) => state !== 'dead' && stored.envelope.expiresAt !== undefined)) {
          expiring.add(name);
        }
      }
      for (const name of names) await this.#compactor.compact(name);
      await this.#deleteIdle();
    } catch {
      // The server is away, or refuses: the next round tries again.
      for (const name of names) this.#later.set(name, now + EVERY_MS);
    } finally {
      this.#isBusy = false;
    }
  }
}
