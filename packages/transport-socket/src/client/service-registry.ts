/** The addresses that a client serves through the hub. */

import { handlerFailed, toHandlerError } from '@busbar/api/driver';
import type { CallHandler } from '@busbar/api/transport';
import { type Frame, type Header, ServedAddress, ServedCalls } from '@busbar/wire';
import { type RequestSpec, ResponseLost } from './pending-request.ts';

/** An address that this client serves. */
export class RemoteService extends ServedAddress {
  readonly id: number;
  readonly header: Header;
  /** Whether the hub has registered it. */
  isRegistered = false;

  constructor(id: number, address: string, max: number, handler: CallHandler) {
    // The hub limits the number of its calls.
    super(address, Number.POSITIVE_INFINITY, handler);
    this.id = id;
    this.header = { serviceId: id, address, max };
  }
}

/** The services of one client. */
export class ServiceRegistry {
  readonly #services = new Map<number, RemoteService>();
  /** The calls that came over the present connection. */
  #served: ServedCalls | undefined;
  #lastId = 0;

  add(address: string, max: number, handler: CallHandler): RemoteService {
    this.#lastId += 1;
    const service = new RemoteService(this.#lastId, address, max, handler);
    this.#services.set(service.id, service);
    return service;
  }

  /** Accepts no further calls for `service`. Returns false if it was already removed. */
  remove({ id }: RemoteService): boolean {
    return this.#services.delete(id);
  }

  /** Requests to send on a new connection before all others. */
  onReconnected(): readonly RequestSpec[] {
    return [...this.#services.values()]
      .filter(({ isRegistered }) => isRegistered)
      .map(({ header }) => ({ op: 'calls.serve', header, deadline: Number.POSITIVE_INFINITY, whenLost: 'fail' }));
  }

  /** Handles a call to serve, or a frame about one. `send` belongs to the connection that it came from. */
  onCall(each: Frame, send: (frame: Frame) => void): void {
    this.#served ??= new ServedCalls({
      find: ({ serviceId }) => this.#services.get(serviceId as number),
      send,
      isFull: () => false,
      // The hub checks the size of replies.
      maxBodyBytes: Number.POSITIVE_INFINITY,
      toError: (error) => (error instanceof ResponseLost ? handlerFailed(error) : toHandlerError(error)),
    });
    this.#served.onFrame(each);
  }

  onConnectionLost(): void {
    this.#served?.close();
    this.#served = undefined;
  }
}
