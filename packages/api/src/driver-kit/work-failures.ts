/** Passes failures of a driver's background work to its transport. */

import { type ErrorCode, toBusbarError } from '../contract/errors.ts';
import { warnProcess } from '../contract/process-warning.ts';
import { sayThrown } from '../contract/thrown.ts';
import type { WorkFailure } from '../contract/transport.ts';
import { Listeners } from './listeners.ts';

/** The failures of work that a driver does without a caller, such as maintenance. */
export class WorkFailures {
  readonly #ignored: readonly ErrorCode[];
  readonly #listeners = new Listeners<WorkFailure>((error) =>
    warnProcess(`a listener of failures failed: ${sayThrown(error)}`),
  );

  /** `ignored`: codes that are reported in another way, such as the loss of a server by a change of state. */
  constructor(ignored: readonly ErrorCode[] = []) {
    this.#ignored = ignored;
  }

  /** Returns a function that ends this. */
  listen(listener: (failure: WorkFailure) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Reports that `work` has failed. `work` is a word for operators, such as `maintenance`. */
  report(work: string, thrown: unknown): void {
    const error = toBusbarError(thrown);
    if (this.#ignored.includes(error.code)) return;
    this.#listeners.call({ work, error });
  }
}
