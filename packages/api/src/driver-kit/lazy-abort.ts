/** An AbortController whose signal is made on first use: it costs an EventTarget, and most work ends without one. */

/** Like AbortController. */
export class LazyAbortController {
  #controller: AbortController | undefined;
  #isAborted = false;
  #reason: unknown;

  /** Aborts when `outer` does, too, for the same reason or one made of it. */
  constructor(outer?: AbortSignal, toReason: (reason: unknown) => unknown = (reason) => reason) {
    if (outer?.aborted === true) this.abort(toReason(outer.reason));
    else outer?.addEventListener('abort', () => this.abort(toReason(outer.reason)), { once: true });
  }

  get isAborted(): boolean {
    return this.#isAborted;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The first reason counts. */
  abort(reason?: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
