/** A signal that fires after a time or with another one; unlike AbortSignal.timeout it leaves no timer behind. */

/** A signal with a bound, until it is disposed of. */
export class TimeBound implements Disposable {
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
