/** What one client serves, and the calls that it was given. */

import { BusbarError } from '@busbar/api/transport';
import type { Frame } from '../../wire/frame.ts';
import type { CallServer } from './call-server.ts';
import type { RoutedCall } from './proxied-call.ts';

const MAX_SERVICES = 10_000;

/** What one client serves, and the calls that it was given. */
export class ServedCalls {
  readonly #services = new Map<number, { readonly server: CallServer; readonly remove: () => void }>();
  readonly #calls = new Map<number, RoutedCall>();
  #lastId = 0;

  add(server: CallServer, remove: () => void): void {
    if (this.#services.size >= MAX_SERVICES) {
      throw new BusbarError('BACKPRESSURE', `this client serves ${MAX_SERVICES} addresses`, { hint: 'Serve fewer.' });
    }
    this.#services.get(server.service)?.remove();
    this.#services.set(server.service, { server, remove });
  }

  /** Takes no more calls for a service; those that it has go on. */
  remove(service: number): void {
    const found = this.#services.get(service);
    this.#services.delete(service);
    found?.remove();
    found?.server.refuseWaiting();
  }

  /** A call goes to this client: the number that frames about it carry. */
  begin(call: RoutedCall): number {
    do this.#lastId = (this.#lastId + 1) >>> 0;
    while (this.#lastId === 0 || this.#calls.has(this.#lastId));
    this.#calls.set(this.#lastId, call);
    return this.#lastId;
  }

  end(id: number): void {
    this.#calls.delete(id);
  }

  /** A frame of this client about a call that it serves. One that nobody waits for any more is passed over. */
  heard(frame: Frame): void {
    this.#calls.get(frame.id)?.heard(frame);
  }

  /** The client has gone. */
  close(): void {
    for (const service of [...this.#services.keys()]) this.remove(service);
    for (const call of [...this.#calls.values()]) call.serverGone();
  }
}
