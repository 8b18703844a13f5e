/** Passes failures of a driver's background work to its transport. */

import { type ErrorCode, toBusbarError } from '../contract/errors.ts';
import type { WorkFailure } from '../contract/transport.ts';

/** The failures of work that a driver does without a caller, such as maintenance. */
export class WorkFailures {
  readonly #ignored: readonly ErrorCode[];
  readonly #listeners = new Set<(failure: WorkFailure) => void>();

  /** `ignored`: codes that are reported in another way, such as the loss of a server by a change of state. */
  constructor(ignored: readonly ErrorCode[] = []) {
    this.#ignored = ignored;
  }

  /** Returns a function that ends this. */
  listen(listener: (failure: WorkFailure) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reports that `work` has failed. `work` is a word for operators, such as `maintenance`. */
  report(work: string, thrown: unknown): void {
    const error = toBusbarError(thrown);
    if (this.#ignored.includes(error.code)) return;
    for (const listener of this.#listeners) listener({ work, error });
  }
}
