/** Keeps the process alive while something is pending. The sockets and timers of drivers do not. */

import { MAX_TIMER_MS } from '../contract/validation.ts';

/** Counts what is pending. The process stays alive until each hold is released. */
export class KeepAlive {
  #timer: ReturnType<typeof setInterval> | undefined;
  #holds = 0;
  #isClosed = false;

  hold(): void {
    this.#holds += 1;
    if (this.#holds > 1 || this.#isClosed) return;
    this.#timer ??= setInterval(() => undefined, MAX_TIMER_MS);
    this.#timer.ref?.();
  }

  release(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.#timer?.unref?.();
  }

  /** Holds the process until `work` has settled. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.hold();
    try {
      return await work;
    } finally {
      this.release();
    }
  }

  /** Frees the timer. A hold that comes later, such as of a call that ends after the close, keeps nothing alive. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Keeps the process alive until `work` has settled. */
export async function keepAliveDuring<T>(work: Promise<T>): Promise<T> {
  const alive = new KeepAlive();
  try {
    return await alive.during(work);
  } finally {
    alive.close();
  }
}
