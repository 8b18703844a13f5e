/** A notifier is made first and handed down: one object notifies, and others subscribe. */

export class Notifier<Arguments extends unknown[] = []> {
  readonly #subscribers: ((...args: Arguments) => void)[] = [];

  subscribe(subscriber: (...args: Arguments) => void): void {
    this.#subscribers.push(subscriber);
  }

  /** Calls the subscribers in the order in which they subscribed. */
  notify(...args: Arguments): void {
    for (const subscriber of this.#subscribers) subscriber(...args);
  }
}
