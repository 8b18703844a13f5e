/** Waits that end by a timer, a signal or a cancellation. */

import { BusbarError } from '../contract/errors.ts';
import { MAX_TIMER_MS } from '../contract/validation.ts';

/** The bounds of a wait. */
export interface WaitBounds {
  /** Infinity for no limit. */
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
  /** Creates the error of an expired wait. Default TIMEOUT. */
  readonly timeoutError?: () => BusbarError;
}

/** One wait. Call `end` in a `finally`: until then it holds a timer and a listener. */
export class BoundedWait {
  readonly deadline: number;
  readonly #late = Promise.withResolvers<never>();
  readonly #cut = Promise.withResolvers<never>();
  readonly #bounds: WaitBounds;
  readonly #onAbort = (): void => this.cancel(aborted(this.#bounds.signal));
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isLate = false;
  #cutBy: BusbarError | undefined;

  constructor(bounds: WaitBounds) {
    this.#bounds = bounds;
    this.deadline = performance.now() + bounds.waitMs;
    this.#late.promise.catch(() => undefined);
    this.#cut.promise.catch(() => undefined);
    if (bounds.signal?.aborted === true) this.#onAbort();
    else this.#begin();
  }

  /** Whether `waitMs` is over. */
  get isExpired(): boolean {
    return this.#isLate;
  }

  /** Resolves with the value of `work`. Rejects as soon as the wait expires or is cancelled. */
  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#cut.promise, this.#late.promise]);
  }

  /** Like `race`, for work with its own bound: rejects early only when the wait is cancelled. */
  raceCancel<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#cut.promise]);
  }

  /** Sleeps for `ms`. Rejects as soon as the wait expires or is cancelled. */
  async sleep(ms: number): Promise<void> {
    await this.raceTimer(new Promise<void>(() => undefined), ms);
  }

  /** Waits for `work` for up to `ms`. Resolves with whether `ms` passed. Rejects as soon as the wait expires or is cancelled. */
  async raceTimer(work: Promise<void>, ms: number): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const passed = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, ms, true);
    });
    try {
      return await this.race(Promise.race([work.then(() => false), passed]));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Throws the error of the cancellation, if any. */
  throwIfCancelled(): void {
    if (this.#cutBy !== undefined) throw this.#cutBy;
  }

  /** Cancels the wait with `error`. */
  cancel(error: BusbarError): void {
    this.#cutBy ??= error;
    this.end();
    this.#cut.reject(error);
  }

  /** Frees the timer and the listener. */
  end(): void {
    clearTimeout(this.#timer);
    this.#bounds.signal?.removeEventListener('abort', this.#onAbort);
  }

  #begin(): void {
    this.#bounds.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#arm();
  }

  #arm(): void {
    if (this.deadline === Number.POSITIVE_INFINITY) return;
    const leftMs = this.deadline - performance.now();
    if (leftMs > 0) {
      this.#timer = setTimeout(() => this.#arm(), Math.min(MAX_TIMER_MS, Math.ceil(leftMs)));
      return;
    }
    this.#isLate = true;
    this.#late.reject(this.#bounds.timeoutError?.() ?? new BusbarError('TIMEOUT', 'the wait did not end in time'));
  }
}

function aborted(signal: AbortSignal | undefined): BusbarError {
  return new BusbarError('ABORTED', 'the wait was aborted by its signal', { cause: signal?.reason });
}

/** Resolves with whether `promise` settles within `ms`. */
export async function withTimeout(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const isLate = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  const isInTime = await Promise.race([settled, isLate]);
  clearTimeout(timer);
  return isInTime;
}
