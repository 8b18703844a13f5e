/** The services of one client, and the calls that it serves. */

import { BusbarError } from '@busbar/api/transport';
import type { Frame } from '@busbar/wire';
import type { CallPeer, CallResponder, ProxiedCall } from './proxied-call.ts';

/** Calls that may wait for one service while it is busy. */
const MAX_WAITING = 10_000;
const MAX_SERVICES = 10_000;

/** One client's service of one address: limits its concurrent calls. */
export class ClientService implements CallResponder {
  readonly peer: CallPeer;
  readonly serviceId: number;
  readonly #services: ClientServices;
  readonly #max: number;
  readonly #waiting = new Set<ProxiedCall>();
  #running = 0;

  constructor(peer: CallPeer, services: ClientServices, serviceId: number, max: number) {
    this.peer = peer;
    this.#services = services;
    this.serviceId = serviceId;
    this.#max = max;
  }

  /** Running and waiting calls, relative to the limit. */
  get load(): number {
    return (this.#running + this.#waiting.size) / this.#max;
  }

  enqueue(call: ProxiedCall): void {
    if (this.#running < this.#max) {
      this.#running += 1;
      call.start();
    } else if (this.#waiting.size < MAX_WAITING) this.#waiting.add(call);
    else throw new BusbarError('BACKPRESSURE', 'too many calls wait for this address', { hint: 'Call again later.' });
  }

  begin(call: ProxiedCall): number {
    return this.#services.begin(call);
  }

  end(call: ProxiedCall, id: number | undefined): void {
    if (id !== undefined) this.#services.end(id);
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
    for (const call of [...this.#waiting]) call.onResponderGone();
  }
}

export class ClientServices {
  readonly #services = new Map<number, { readonly service: ClientService; readonly onRemoved: () => void }>();
  readonly #calls = new Map<number, ProxiedCall>();
  #lastId = 0;

  /** Adds a service, in place of one with the same id. */
  add(service: ClientService, onRemoved: () => void): void {
    if (this.#services.size >= MAX_SERVICES) {
      throw new BusbarError('BACKPRESSURE', `this client serves ${MAX_SERVICES} addresses`, { hint: 'Serve fewer.' });
    }
    this.#services.get(service.serviceId)?.onRemoved();
    this.#services.set(service.serviceId, { service, onRemoved });
  }

  /** Removes a service. Its running calls continue. */
  remove(serviceId: number): void {
    const removed = this.#services.get(serviceId);
    this.#services.delete(serviceId);
    removed?.onRemoved();
    removed?.service.refuseWaiting();
  }

  /** Returns the id of a new call to this client. */
  begin(call: ProxiedCall): number {
    do this.#lastId = (this.#lastId + 1) >>> 0;
    while (this.#lastId === 0 || this.#calls.has(this.#lastId));
    this.#calls.set(this.#lastId, call);
    return this.#lastId;
  }

  end(id: number): void {
    this.#calls.delete(id);
  }

  /** Handles a frame about a call. Ignores frames about calls that have ended. */
  onFrame(frame: Frame): void {
    this.#calls.get(frame.id)?.onFrame(frame);
  }

  /** The client has disconnected. */
  close(): void {
    for (const id of [...this.#services.keys()]) this.remove(id);
    for (const call of [...this.#calls.values()]) call.onResponderGone();
  }
}
