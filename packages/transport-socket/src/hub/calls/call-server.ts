/** One client's serving of one address: how many calls it has, and which wait. */

import { BusbarError } from '@busbar/api/transport';
import type { Client } from '../operations/operation.ts';
import type { ServedCalls } from './inflight-served.ts';
import type { RoutedCall } from './proxied-call.ts';

/** Calls that may wait for one server while it is busy. */
const MAX_WAITING = 10_000;

/** One client's serving of one address. */
export class CallServer {
  readonly client: Client;
  readonly served: ServedCalls;
  readonly service: number;
  readonly #max: number;
  readonly #waiting = new Set<RoutedCall>();
  #running = 0;

  constructor(client: Client, served: ServedCalls, service: number, max: number) {
    this.client = client;
    this.served = served;
    this.service = service;
    this.#max = max;
  }

  get busy(): number {
    return (this.#running + this.#waiting.size) / this.#max;
  }

  /** Starts `call` now, or once another one is over. */
  take(call: RoutedCall): void {
    if (this.#running < this.#max) {
      this.#running += 1;
      call.start();
    } else if (this.#waiting.size < MAX_WAITING) this.#waiting.add(call);
    else throw new BusbarError('BACKPRESSURE', 'too many calls wait for this address', { hint: 'Call again later.' });
  }

  /** `call` is over. */
  leave(call: RoutedCall): void {
    if (this.#waiting.delete(call)) return;
    this.#running -= 1;
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#waiting.delete(next);
      this.#running += 1;
      next.start();
    }
  }

  refuseWaiting(): void {
    for (const call of [...this.#waiting]) call.serverGone();
  }
}
