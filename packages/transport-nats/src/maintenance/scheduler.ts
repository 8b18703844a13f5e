/** Schedules maintenance of the queues that this process uses: at intervals during use, and once more afterwards. */

import type { WorkFailures } from '@busbar/api/driver';
import type { Operations } from '../admin/operate.ts';
import type { QueueViews } from '../admin/queue-view.ts';
import { isClosedError, toDriverError } from '../errors.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import { Compactor } from './compactor.ts';
import { Retirer } from './retirer.ts';

const EVERY_MS = 10_000;
/** The server remembers the ids of the last sends for this long. */
const AFTER_MS = 130_000;
const MAX_IDLE = 200;
const RETIRE_AT_ONCE = 100;

export class Scheduler {
  readonly #shared: QueueContext;
  readonly #views: QueueViews;
  readonly #operations: Operations;
  readonly #compactor: Compactor;
  readonly #retirer: Retirer;
  readonly #failures: WorkFailures;
  /** Used queues, each with the time of its last compaction. */
  readonly #later = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  readonly #isPermitted: boolean;
  #isBusy = false;
  #isClosed = false;

  /** `isPermitted`: this client may delete messages and look into queues. Other clients do it for one that may not. */
  constructor(
    shared: QueueContext,
    views: QueueViews,
    operations: Operations,
    { failures, isPermitted }: { readonly failures: WorkFailures; readonly isPermitted: boolean },
  ) {
    this.#operations = operations;
    this.#shared = shared;
    this.#views = views;
    this.#compactor = new Compactor(shared);
    this.#retirer = new Retirer(shared);
    this.#failures = failures;
    this.#isPermitted = isPermitted;
    // The random part spreads the rounds of many processes.
    this.#timer = setInterval(() => void this.#round(), EVERY_MS * (1 + Math.random()));
    this.#timer.unref();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  async #round(): Promise<void> {
    const { used, expiring, requests } = this.#shared;
    if (!this.#isPermitted) {
      for (const each of [used, expiring]) each.clear();
      return;
    }
    if (this.#isBusy || !requests.connection.isUp || this.#shared.gate.isClosed) return;
    this.#isBusy = true;
    const now = performance.now();
    const due = [...this.#later].filter(([, at]) => at <= now).map(([name]) => name);
    const names = new Set([...used, ...due]);
    for (const name of due) this.#later.delete(name);
    for (const name of used) this.#later.set(name, now + AFTER_MS);
    used.clear();
    try {
      for (const name of [...expiring]) await this.#endExpired(name);
      for (const name of names) if (await this.#compactor.compact(name)) this.#later.set(name, now + EVERY_MS);
      for (let from = 0; from < due.length; from += RETIRE_AT_ONCE) {
        await Promise.all(due.slice(from, from + RETIRE_AT_ONCE).map((name) => this.#retirer.retire(name)));
      }
      await this.#deleteIdle();
    } catch (error) {
      for (const name of names) this.#later.set(name, now + EVERY_MS);
      if (!this.#isClosed && !isClosedError(error)) this.#failures.report('maintenance', toDriverError(error));
    } finally {
      this.#isBusy = false;
    }
  }

  /** Opening the view of a queue ends its expired messages. A send during it adds the queue again. */
  async #endExpired(name: string): Promise<void> {
    const { expiring } = this.#shared;
    expiring.delete(name);
    let isDone = false;
    try {
      const view = await this.#views.open(name);
      isDone = !view?.all.some(({ stored, state }) => state !== 'dead' && stored.envelope.expiresAt !== undefined);
    } finally {
      if (!isDone) expiring.add(name);
    }
  }

  /** A queue that was used meanwhile stays in the set. */
  async #deleteIdle(): Promise<void> {
    const { records } = this.#shared;
    const names = [...records.idle].slice(0, MAX_IDLE);
    const left = await Promise.all(names.map(async (name) => ({ name, found: await records.find(name) })));
    await this.#operations.deleteIdle(names);
    for (const { name, found } of left) {
      records.idle.delete(name);
      if (found !== undefined && records.isSeen(found.record)) records.idle.add(name);
    }
  }
}
