/** An abort signal with a timeout. Unlike AbortSignal.timeout it leaves no timer behind. */

/** Fires after a time or with a parent signal, until it is disposed. */
export class TimeoutSignal implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #parent: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#controller.abort();

  constructor(ms: number, parent?: AbortSignal) {
    this.#timer = setTimeout(this.#onAbort, ms);
    this.#parent = parent;
    if (parent?.aborted === true) this.#onAbort();
    else parent?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#parent?.removeEventListener('abort', this.#onAbort);
  }
}
