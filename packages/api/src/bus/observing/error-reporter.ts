/** Reports failures that no caller waits for: to the listener of the user, else to the logger, once per place as a warning. */

import { toBusbarError } from '../../contract/errors.ts';
import { silence } from '../../contract/promises.ts';
import { type BackgroundFailure, describePlace, type ErrorListener, type FailurePlace } from './background-failure.ts';
import { type Logger, processLogger } from './logger.ts';

/** The most places that are remembered. The first failure beyond them is the last warning, and says so. */
const MAX_PLACES = 1000;
const ADVICE = 'Later failures of this place are no warnings: pass onError to get all of them.';
const LAST_ADVICE = `This is the last warning, since ${MAX_PLACES} other places failed: pass onError to get all failures.`;

/** Where failures go. */
export interface ErrorReporterOptions {
  readonly onError: ErrorListener | undefined;
  readonly logger: Logger | undefined;
}

/** Reports the failures of one bus. */
export class ErrorReporter {
  readonly #listener: ErrorListener | undefined;
  readonly #logger: Logger;
  readonly #emit: (failure: BackgroundFailure) => void;
  readonly #warned = new Set<string>();
  #hasWarnedLast = false;
  #count = 0;

  /** `emit` gets each failure, too. It never throws. */
  constructor({ onError, logger = processLogger }: ErrorReporterOptions, emit: (failure: BackgroundFailure) => void) {
    this.#listener = onError;
    this.#logger = logger;
    this.#emit = emit;
  }

  /** How many failures were reported. */
  get count(): number {
    return this.#count;
  }

  /** Reports a failure and its place. Never throws. */
  report(error: unknown, at: FailurePlace): void {
    this.#count += 1;
    const failure = { ...at, place: describePlace(at), error: toBusbarError(error) };
    // A listener that fails must not hear of that.
    if (at.kind !== 'listener') this.#emit(failure);
    try {
      silence(this.#listener === undefined ? this.#log(failure) : (this.#listener(failure) as unknown));
    } catch {
      // An error of the listener or of the logger must not affect the bus.
    }
  }

  #log(failure: BackgroundFailure): unknown {
    const { place, kind, error } = failure;
    const text = `${place}: ${error.message}${error.hint === undefined ? '' : `. ${error.hint}`}`;
    if (this.#warned.has(place) || this.#hasWarnedLast) return this.#logger.debug?.(printable(text), failure);
    this.#hasWarnedLast = this.#warned.size >= MAX_PLACES;
    this.#warned.add(place);
    const advice = this.#hasWarnedLast ? LAST_ADVICE : ADVICE;
    const method = kind === 'store' && this.#logger.error !== undefined ? 'error' : 'warn';
    return this.#logger[method]?.(printable(`${text} ${advice}`), failure);
  }
}

/** Text on one line, without escape sequences. A peer may have written it. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ');
}
