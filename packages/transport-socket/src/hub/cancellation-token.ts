/** Cancellation of a request. Makes an AbortSignal only for operations that need one. */

import type { BusbarError } from '@busbar/api/transport';

/** Reports that the client no longer waits for a request. */
export class CancellationToken {
  #controller: AbortController | undefined;
  #listener: ((reason: BusbarError) => void) | undefined;
  #reason: BusbarError | undefined;

  /** The reason of the cancellation; undefined while the client waits. */
  get reason(): BusbarError | undefined {
    return this.#reason;
  }

  /** Whether a cancellation has an effect on the operation. */
  get isObserved(): boolean {
    return this.#controller !== undefined || this.#listener !== undefined;
  }

  /** Aborted also if the cancellation came before it was read. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Sets the listener, in place of the previous one. */
  onCancel(listener: (reason: BusbarError) => void): void {
    this.#listener = listener;
  }

  cancel(reason: BusbarError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#listener?.(reason);
  }
}
