/** The order of bodies that an asynchronous codec encodes. */

import type { Later } from './later.ts';

/** Bodies are encoded side by side, and go on in the order in which they came. */
export class EncodingOrder {
  #pending = 0;
  #last: Promise<unknown> | undefined;

  /** `encoded`, after all that came before it. It is no promise if nothing is pending. */
  keep<T>(encoded: Later<T>): Later<T> {
    if (this.#pending === 0 && !(encoded instanceof Promise)) return encoded;
    this.#pending += 1;
    const turn = Promise.allSettled([this.#last, encoded]);
    this.#last = turn.then(() => undefined);
    return turn.then(([, outcome]) => {
      this.#pending -= 1;
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }
}
