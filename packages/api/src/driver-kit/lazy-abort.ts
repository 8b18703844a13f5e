/** The signal of one piece of work: made when first asked for, since most handlers never look. */

/** Something with a signal that can be fired. */
export class WorkSignal {
  #controller: AbortController | undefined;
  #reason: unknown;

  /** Also fires when `outer` does. */
  constructor(outer?: AbortSignal) {
    if (outer?.aborted === true) this.#reason = outer.reason;
    else outer?.addEventListener('abort', () => this.abort(outer.reason), { once: true });
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Whether it was fired. */
  get isFired(): boolean {
    return this.#reason !== undefined;
  }

  /** Fires the signal; the first reason counts. */
  abort(reason: unknown): void {
    this.#reason ??= reason;
    this.#controller?.abort(reason);
  }
}
