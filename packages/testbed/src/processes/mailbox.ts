// Received messages and pending waits.

interface Waiter {
  readonly matches: (message: unknown) => boolean;
  readonly resolve: (message: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Keeps messages until they are taken. A waiter takes the first match and leaves the others. */
export class Mailbox {
  readonly #unread: unknown[] = [];
  readonly #waiters = new Set<Waiter>();
  #failure: Error | undefined;

  /** Passes the message to the first matching waiter, else keeps it. */
  put(message: unknown): void {
    const waiter = [...this.#waiters].find(({ matches }) => matches(message));
    if (waiter) {
      this.#waiters.delete(waiter);
      waiter.resolve(message);
    } else {
      this.#unread.push(message);
    }
  }

  /** Resolves with the first matching message. Rejects with `late()` after the time-out. */
  take(matches: (message: unknown) => boolean, timeoutMs: number, late: () => Error): Promise<unknown> {
    const index = this.#unread.findIndex(matches);
    if (index >= 0) return Promise.resolve(this.#unread.splice(index, 1)[0]);
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(late());
      }, timeoutMs);
      const waiter: Waiter = {
        matches,
        resolve: (message) => {
          clearTimeout(timer);
          resolve(message);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#waiters.add(waiter);
    });
  }

  /** Rejects all present and future waits. */
  fail(error: Error): void {
    this.#failure = error;
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  /** Resets: drops kept messages and the failure. */
  clear(): void {
    this.#failure = undefined;
    this.#unread.length = 0;
  }
}
