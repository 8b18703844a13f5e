/** Tells the parts of a worker that its bus is about to move: the leases of all that they hold end then. */

import { MOVE_KEY } from '../../contract/gate.ts';
import { RetryError } from '../consuming/failure.ts';
import type { FailurePlace } from '../observing/background-failure.ts';
import type { BusRuntime } from '../runtime.ts';
import { WorkerWatch } from './worker-watch.ts';

/** Holds tasks that have not begun. */
interface Holder {
  /** Returns them to the queue. */
  giveBack(error: RetryError): void;
}

/** The announcements of moves for one worker. */
export class MoveWatch {
  readonly #runtime: BusRuntime;
  readonly #place: FailurePlace;
  readonly #watch: WorkerWatch;
  readonly #holders = new Set<Holder>();
  /** It has begun to watch, or was closed before. */
  #hasBegun = false;

  constructor(runtime: BusRuntime, place: FailurePlace) {
    this.#runtime = runtime;
    this.#place = place;
    this.#watch = new WorkerWatch(runtime, place, ({ kind }) => {
      // What is there at the beginning is about an earlier move.
      if (kind === 'put' && this.#watch.isSynced) this.#announce();
    });
  }

  /** Begins to watch, at the first call. At each announcement `holder` gives its tasks back. */
  follow(holder: Holder): void {
    this.#holders.add(holder);
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#watch.open(MOVE_KEY, undefined).catch((error: unknown) => this.#runtime.report(error, this.#place));
  }

  close(): Promise<void> {
    this.#hasBegun = true;
    return this.#watch.close();
  }

  #announce(): void {
    const error = new RetryError('the bus moves to another store', { afterMs: 0, countAttempt: false });
    for (const holder of this.#holders) holder.giveBack(error);
  }
}
