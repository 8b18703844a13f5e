/** The receives of one transport that wait, as its driver sees them: which queues to watch, and how to wake them. */

/** Without a queue: any queue. */
type WakeListener = (queue?: string) => void;

/**
 * A driver with `claim` makes one before its other parts and hands it to those that learn of new messages. They call
 * {@link WaitingReceives.wake}; `openTransport` then claims for the receives that wait.
 */
export class WaitingReceives {
  readonly #queues = new Set<string>();
  readonly #wakeListeners: WakeListener[] = [];
  readonly #changeListeners: ((isWaiting: boolean) => void)[] = [];

  /** The queues that receives wait for. */
  get queues(): ReadonlySet<string> {
    return this.#queues;
  }

  /**
   * Says that `queue` may have messages. Returns whether a receive of this transport waits for it: then a claim follows,
   * with no receivers if all have left by then. A driver passes a wake-up on when this is false or there are no receivers.
   */
  wake(queue: string): boolean {
    for (const listener of this.#wakeListeners) listener(queue);
    return this.#queues.has(queue);
  }

  /** Wakes all receives, since wake-ups may have been lost. */
  wakeAll(): void {
    for (const listener of this.#wakeListeners) listener();
  }

  /** Calls `listener` when the first receive begins to wait (true) and when the last has ended (false). */
  onChange(listener: (isWaiting: boolean) => void): void {
    this.#changeListeners.push(listener);
  }

  /** For `openTransport`: calls `listener` at each {@link WaitingReceives.wake}. */
  onWake(listener: WakeListener): void {
    this.#wakeListeners.push(listener);
  }

  /** For `openTransport`: a receive waits for `queue`. */
  add(queue: string): void {
    this.#queues.add(queue);
    if (this.#queues.size === 1) this.#changed(true);
  }

  /** For `openTransport`: no receive waits for `queue` any more. */
  delete(queue: string): void {
    if (this.#queues.delete(queue) && this.#queues.size === 0) this.#changed(false);
  }

  #changed(isWaiting: boolean): void {
    for (const listener of this.#changeListeners) listener(isWaiting);
  }
}
