/** Whether anybody waits for a request any more. An AbortSignal, made only for those who need one. */

import type { BusbarError } from '@busbar/api/transport';

/** The end of somebody's waiting. */
export class Cancellation {
  #controller: AbortController | undefined;
  #listener: ((reason: BusbarError) => void) | undefined;
  #reason: BusbarError | undefined;

  /** Why nobody waits; undefined while somebody does. */
  get reason(): BusbarError | undefined {
    return this.#reason;
  }

  /** Whether anybody would do something about it. */
  get isHeard(): boolean {
    return this.#controller !== undefined || this.#listener !== undefined;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** Calls `listener` when nobody waits any more, instead of the one before. */
  onCancel(listener: ((reason: BusbarError) => void) | undefined): void {
    this.#listener = listener;
  }

  cancel(reason: BusbarError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#listener?.(reason);
  }
}
