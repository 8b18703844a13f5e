/** Consumers that wait for a message, the longest waiting first. */

import { Deadline, type DeadlineQueue, type ReceiveRequest } from '@busbar/api/driver';
import type { Delivery } from '@busbar/api/transport';

interface Ground {
  readonly deadlines: DeadlineQueue;
  wait(by: 1 | -1): void;
}

interface Waiter {
  readonly wanted: ReceiveRequest;
  finish(deliveries: Delivery[]): void;
}

/** The consumers that wait on one queue. */
export class Waiters {
  readonly #ground: Ground;
  readonly #waiting = new Set<Waiter>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves with what comes, or with nothing when its time is up or `signal` fires. */
  add(wanted: ReceiveRequest, signal: AbortSignal): Promise<Delivery[]> {
    return new Promise((resolve) => {
      const alarm = new Deadline(() => waiter.finish([]));
      const onAbort = (): void => waiter.finish([]);
      const waiter: Waiter = {
        wanted,
        finish: (deliveries) => {
          if (!this.#waiting.delete(waiter)) return;
          this.#ground.deadlines.cancel(alarm);
          this.#ground.wait(-1);
          signal.removeEventListener('abort', onAbort);
          resolve(deliveries);
        },
      };
      this.#waiting.add(waiter);
      this.#ground.wait(1);
      this.#ground.deadlines.setIn(alarm, wanted.waitMs);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Gives to each in turn what `claim` brings for it, until it brings nothing. */
  serve(claim: (wanted: ReceiveRequest) => Delivery[]): void {
    for (const waiter of this.#waiting) {
      const deliveries = claim(waiter.wanted);
      if (deliveries.length === 0) return;
      waiter.finish(deliveries);
    }
  }
}
