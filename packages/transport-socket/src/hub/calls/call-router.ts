/** Calls between the clients of one namespace: who serves which address. Nothing is stored. */

import { BusbarError, checkInteger, checkQueueName, newId } from '@busbar/api/transport';
import type { Frame, Head } from '../../wire/frame.ts';
import { checkPassing } from '../../wire/message-codec.ts';
import { CALL_CREDIT } from '../../wire/protocol.ts';
import { handleOf, speakFor, unbounded } from '../operations/arguments.ts';
import type { Client, Reply, Request } from '../operations/operation.ts';
import { CallServer } from './call-server.ts';
import type { ServedCalls } from './inflight-served.ts';
import { RoutedCall } from './proxied-call.ts';

const NO_BODY = new Uint8Array(0);

/** Who serves which address in one namespace. */
export class CallRouter {
  readonly #addresses = new Map<string, Set<CallServer>>();
  /** Calls under way, by who made them and under which id. */
  readonly #calls = new Map<Client, Map<number, RoutedCall>>();

  serve(client: Client, served: ServedCalls, head: Head): void {
    const { service, address, max } = head;
    checkQueueName(address);
    checkInteger(max, 'max', { min: 1, max: 10_000 });
    const server = new CallServer(client, served, handleOf(service, 'service'), (max as number | undefined) ?? 16);
    served.add(server, () => this.#remove(address, server));
    const servers = this.#addresses.get(address) ?? new Set();
    this.#addresses.set(address, servers.add(server));
  }

  /** Has one server of the address answer: the least busy, of equals the one that was chosen least lately. */
  async call({ id, head, bodies, client, cancellation }: Request): Promise<Reply> {
    const { address, message } = head;
    checkQueueName(address);
    const [body = NO_BODY] = bodies;
    checkPassing(message, body, client.maxBodyBytes);
    speakFor(message as { from?: unknown }, client.agent);
    const timeoutMs = head['timeoutMs'] === undefined ? 30_000 : unbounded(head['timeoutMs']);
    const servers = this.#addresses.get(address);
    let best: CallServer | undefined;
    for (const server of servers ?? []) if (best === undefined || server.busy < best.busy) best = server;
    if (best === undefined || servers === undefined) throw nobody(address);
    servers.delete(best);
    servers.add(best);
    const question = { message: { id: newId(), ...message, sentAt: Date.now() }, body, timeoutMs };
    const call = new RoutedCall(client, id, best, question);
    this.#begin(client, id, call);
    return call.run(cancellation).finally(() => this.#end(client, id));
  }

  /** A caller takes so many replies more. */
  credited(client: Client, { id, head }: Frame): void {
    const { count } = head;
    checkInteger(count, 'count', { min: 1, max: CALL_CREDIT });
    this.#calls
      .get(client)
      ?.get(id)
      ?.credited((count as number | undefined) ?? 1);
  }

  #begin(client: Client, id: number, call: RoutedCall): void {
    const own = this.#calls.get(client) ?? new Map<number, RoutedCall>();
    this.#calls.set(client, own.set(id, call));
  }

  #end(client: Client, id: number): void {
    const own = this.#calls.get(client);
    own?.delete(id);
    if (own?.size === 0) this.#calls.delete(client);
  }

  #remove(address: string, server: CallServer): void {
    const servers = this.#addresses.get(address);
    servers?.delete(server);
    if (servers?.size === 0) this.#addresses.delete(address);
  }
}

function nobody(address: string): BusbarError {
  return new BusbarError('NO_RESPONDER', `nobody serves ${address}`, { hint: 'Start one, or ask with durable.' });
}
