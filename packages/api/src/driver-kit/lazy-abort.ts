/** An AbortController whose signal is made on first use: it costs an EventTarget, and most work ends without one. */

/** Like AbortController. */
export class LazyAbortController {
  #controller: AbortController | undefined;
  #isAborted = false;
  #reason: unknown;
  #listeners: (() => void)[] | undefined;

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
    const listeners = this.#listeners;
    this.#listeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener();
  }

  /** Calls `listener` when it aborts. Returns a function that ends this. A listener of the signal takes ten times as long. */
  onAbort(listener: () => void): () => void {
    this.#listeners ??= [];
    this.#listeners.push(listener);
    return () => {
      const at = this.#listeners?.lastIndexOf(listener) ?? -1;
      if (at >= 0) this.#listeners?.splice(at, 1);
    };
  }
}

/** Has the signal of a call, such as the context of a driver. */
export interface Abortable {
  readonly signal: AbortSignal;
}

/** Whether it has aborted, without making its signal. */
export function isAborted(source: Abortable): boolean {
  return source instanceof LazyAbortController ? source.isAborted : source.signal.aborted;
}

/** Calls `listener` when it aborts, without making its signal. Returns a function that ends this. */
export function whenAborted(source: Abortable, listener: () => void): () => void {
  if (source instanceof LazyAbortController) return source.onAbort(listener);
  const { signal } = source;
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}
