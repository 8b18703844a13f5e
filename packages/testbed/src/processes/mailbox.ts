// Messages that came, and those who wait for one.

interface Waiter {
  readonly matches: (message: unknown) => boolean;
  readonly resolve: (message: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Keeps messages until they are taken; a waiter takes the first that matches and leaves the others. */
export class Mailbox {
  readonly #unread: unknown[] = [];
  readonly #waiters = new Set<Waiter>();
  #failure: Error | undefined;

  /** Gives the message to the first waiter it matches, else keeps it. */
  put(message: unknown): void {
    const waiter = [...this.#waiters].find(({ matches }) => matches(message));
    if (waiter) {
      this.#waiters.delete(waiter);
      waiter.resolve(message);
    } else {
      this.#unread.push(message);
    }
  }

  /** Resolves to the first message that matches; rejects with `late()` after the time-out. */
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

  /** Nothing will come any more: fails everybody who waits or will. */
  fail(error: Error): void {
    this.#failure = error;
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  /** Begins anew: forgets what was not taken, and the failure. */
  clear(): void {
    this.#failure = undefined;
    this.#unread.length = 0;
  }
}
