/** Calls between the clients of one namespace. Nothing is stored. */

import { BusbarError, checkInteger, checkQueueName, newId } from '@busbar/api/transport';
import { CALL_CREDIT, checkForwarded, type Frame, type Header } from '@busbar/wire';
import { decodeNumber } from '../../wire/value-codec.ts';
import { authorizeSender } from '../access-tokens.ts';
import type { CancellationToken } from '../cancellation-token.ts';
import { ClientService, type ClientServices } from './client-services.ts';
import { type CallPeer, ProxiedCall } from './proxied-call.ts';

const NO_BODY = new Uint8Array(0);
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX = 16;

/** The operation `calls.call`. */
export interface RouteRequest {
  readonly id: number;
  readonly header: Header;
  readonly bodies: readonly Uint8Array[];
  readonly client: CallPeer;
  readonly cancellation: CancellationToken;
}

/** Finds the services of each address and passes calls to them. */
export class CallRouter {
  readonly #addresses = new Map<string, Set<ClientService>>();
  /** Calls in progress, by requester and request id. */
  readonly #calls = new Map<CallPeer, Map<number, ProxiedCall>>();

  /** Registers a service of `client`. */
  serve(
    client: CallPeer,
    clientServices: ClientServices,
    serviceId: number,
    { address, max = DEFAULT_MAX }: Header,
  ): void {
    checkQueueName(address);
    checkInteger(max, 'max', { min: 1, max: 10_000 });
    const service = new ClientService(client, clientServices, serviceId, max as number);
    clientServices.add(service, () => this.#remove(address, service));
    const services = this.#addresses.get(address) ?? new Set();
    this.#addresses.set(address, services.add(service));
  }

  /** Passes a call to the service with the least load; among equals, to the least recently used one. */
  async call({ id, header, bodies, client, cancellation }: RouteRequest): Promise<void> {
    const { address, message, timeoutMs = DEFAULT_TIMEOUT_MS } = header;
    checkQueueName(address);
    const [body = NO_BODY] = bodies;
    checkForwarded(message, body, client.maxBodyBytes);
    authorizeSender(message as { from?: unknown }, client.agent);
    const call = new ProxiedCall(client, id, this.#chooseService(address), {
      message: { id: newId(), ...message, sentAt: Date.now() },
      body,
      timeoutMs: decodeNumber(timeoutMs),
    });
    this.#begin(client, id, call);
    return call.run(cancellation).finally(() => this.#end(client, id));
  }

  /** The requester takes more replies. */
  addCredit(client: CallPeer, { id, header: { count = 1 } }: Frame): void {
    checkInteger(count, 'count', { min: 1, max: CALL_CREDIT });
    this.#calls
      .get(client)
      ?.get(id)
      ?.addCredit(count as number);
  }

  #chooseService(address: string): ClientService {
    const services = this.#addresses.get(address) ?? new Set();
    let best: ClientService | undefined;
    for (const service of services) if (best === undefined || service.load < best.load) best = service;
    if (best === undefined) throw noResponder(address);
    // Moves it to the end: iteration order is the order of use.
    services.delete(best);
    services.add(best);
    return best;
  }

  #begin(client: CallPeer, id: number, call: ProxiedCall): void {
    const calls = this.#calls.get(client) ?? new Map<number, ProxiedCall>();
    this.#calls.set(client, calls.set(id, call));
  }

  #end(client: CallPeer, id: number): void {
    const calls = this.#calls.get(client);
    calls?.delete(id);
    if (calls?.size === 0) this.#calls.delete(client);
  }

  #remove(address: string, service: ClientService): void {
    const services = this.#addresses.get(address);
    services?.delete(service);
    if (services?.size === 0) this.#addresses.delete(address);
  }
}

function noResponder(address: string): BusbarError {
  return new BusbarError('NO_RESPONDER', `no client serves ${address}`, {
    hint: 'Start a responder, or request with durable.',
  });
}
