/** Receives from queues whose messages can be on both sides. */

import type { CallContext, ReceiveRequest } from '@busbar/api/driver';
import type { Delivery } from '@busbar/api/transport';
import type { Routes } from '../routes.ts';
import type { Sides } from '../sides.ts';
import { type SharedPlace, SharedQueue } from './shared-queue.ts';

/** The shared queues on which receives wait, or waited a moment ago. */
export class SharedReceives {
  readonly #sides: Sides;
  readonly #routes: Routes;
  /** By queue and consumer. */
  readonly #queues = new Map<string, SharedQueue>();

  constructor(sides: Sides, routes: Routes) {
    this.#sides = sides;
    this.#routes = routes;
  }

  receive(queue: string, request: ReceiveRequest, context: CallContext): Promise<Delivery[]> {
    const key = request.consumer === undefined ? queue : `${queue}\0${request.consumer}`;
    let shared = this.#queues.get(key);
    if (shared === undefined) {
      const main = this.#sides.of(this.#routes.ofQueue(queue));
      const place: SharedPlace = { queue, consumer: request.consumer, main, aside: this.#sides.other(main) };
      shared = new SharedQueue(this.#sides, place, () => this.#queues.delete(key));
      this.#queues.set(key, shared);
    }
    return shared.receive(request, context);
  }

  /** Ends what waits in the background. Resolves when what it had leased is released. */
  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
  }
}
