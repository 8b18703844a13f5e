/** Reports failures that no caller waits for: to the listener of the user, else once per place to the console. */

import { toBusbarError } from '../contract/errors.ts';
import { silence } from '../contract/thrown.ts';
import type { ErrorListener } from './options.ts';

/** The most places that are remembered. Beyond them nothing is printed. */
const MAX_PLACES = 1000;

/** Reports the failures of one bus. */
export class ErrorReporter {
  readonly #listener: ErrorListener | undefined;
  readonly #said = new Set<string>();
  #count = 0;

  constructor(listener: ErrorListener | undefined) {
    this.#listener = listener;
  }

  /** How many failures were reported. */
  get count(): number {
    return this.#count;
  }

  /** Reports a failure and its place, such as `inbox @service.auth`. Never throws. */
  report(error: unknown, where: string): void {
    this.#count += 1;
    try {
      if (this.#listener === undefined) this.#sayOnce(error, where);
      else silence(this.#listener(toBusbarError(error), where) as unknown);
    } catch {
      // An error of the listener must not affect the bus.
    }
  }

  #sayOnce(error: unknown, where: string): void {
    if (this.#said.has(where) || this.#said.size >= MAX_PLACES) return;
    this.#said.add(where);
    const { message, hint } = toBusbarError(error);
    const advice = 'Later failures of this place are not printed: pass onError to get all of them.';
    // biome-ignore lint/suspicious/noConsole: a failure without a listener must be seen.
    console.error(printable(`busbar: ${where}: ${hint === undefined ? message : `${message}. ${hint}`} ${advice}`));
  }
}

/** Text on one line, without escape sequences. A peer may have written it. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ');
}
