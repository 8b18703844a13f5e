/** The move of a run from one store to another. */

import { type MoveReport, moveBus, type StoreEnds } from '@busbar/compose';

/** How long held tasks may end before the old store closes. A worker that asks the expert meanwhile waits for the new one. */
const DRAIN_MS = 1_000;

/** One move. Disposing of it ends it. */
export class RunMove implements AsyncDisposable {
  readonly #ends: StoreEnds;
  readonly #stop = new AbortController();
  #moving: Promise<MoveReport> | undefined;

  constructor(ends: StoreEnds) {
    this.#ends = ends;
  }

  /** The kinds of backends. */
  get from(): string {
    return this.#ends.from.name;
  }

  get to(): string {
    return this.#ends.to.name;
  }

  /** Moves the bus. */
  run(): Promise<MoveReport> {
    this.#moving ??= moveBus(this.#ends, { drainMs: DRAIN_MS, signal: this.#stop.signal });
    return this.#moving;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#moving?.catch(() => undefined); // The run has its error, or ends for another reason.
  }
}
