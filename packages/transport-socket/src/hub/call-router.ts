/** Calls between the clients of one namespace: who serves which address, and the calls under way. Nothing is stored. */

import { BusbarError, checkInteger, checkQueueName, newId } from '@busbar/api/transport';
import { FRAME, type Frame, type Head } from '../frame.ts';
import { CALL_CREDIT } from '../protocol.ts';
import { readError } from '../wire-error.ts';
import { checkPassing } from '../wire-message.ts';
import { handleOf, speakFor, unbounded } from './arguments.ts';
import type { Cancellation } from './cancellation.ts';
import type { Client, Reply, Request } from './reply.ts';

/** Calls that may wait for one address while all its servers are busy. */
const MAX_WAITING = 10_000;
const NO_BODY = new Uint8Array(0);
const MAX_SERVICES = 10_000;

/** Who serves which address in one namespace. */
export class CallRouter {
  readonly #addresses = new Map<string, Set<Server>>();
  /** Calls under way, by who made them and under which id. */
  readonly #calls = new Map<Client, Map<number, RoutedCall>>();

  serve(client: Client, served: ServedCalls, head: Head): void {
    const { service, address, max } = head;
    checkQueueName(address);
    checkInteger(max, 'max', { min: 1, max: 10_000 });
    const server = new Server(client, served, handleOf(service, 'service'), (max as number | undefined) ?? 16);
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
    let best: Server | undefined;
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

  #remove(address: string, server: Server): void {
    const servers = this.#addresses.get(address);
    servers?.delete(server);
    if (servers?.size === 0) this.#addresses.delete(address);
  }
}

/** What one client serves, and the calls that it was given. */
export class ServedCalls {
  readonly #services = new Map<number, { readonly server: Server; readonly remove: () => void }>();
  readonly #calls = new Map<number, RoutedCall>();
  #lastId = 0;

  add(server: Server, remove: () => void): void {
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

/** One client's serving of one address. */
class Server {
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

  /** `call` is over. True while it had not been started. */
  leave(call: RoutedCall): boolean {
    if (this.#waiting.delete(call)) return true;
    this.#running -= 1;
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#waiting.delete(next);
      this.#running += 1;
      next.start();
    }
    return false;
  }

  refuseWaiting(): void {
    for (const call of [...this.#waiting]) call.serverGone();
  }
}

interface Question {
  readonly message: Head;
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

/** One call on its way from its caller to a server and back. */
class RoutedCall {
  readonly #caller: Client;
  readonly #callerId: number;
  readonly #server: Server;
  readonly #question: Question;
  readonly #until: number;
  readonly #outcome = Promise.withResolvers<Reply>();
  #serverId: number | undefined;
  #credit = CALL_CREDIT;
  #isOver = false;

  constructor(caller: Client, callerId: number, server: Server, question: Question) {
    this.#caller = caller;
    this.#callerId = callerId;
    this.#server = server;
    this.#question = question;
    this.#until = performance.now() + question.timeoutMs;
  }

  async run(cancellation: Cancellation): Promise<Reply> {
    this.#server.take(this);
    cancellation.onCancel(() => this.#cancelled());
    return this.#outcome.promise;
  }

  start(): void {
    const { message, body } = this.#question;
    const { client, service, served } = this.#server;
    this.#serverId = served.begin(this);
    const left = this.#until - performance.now();
    const timeoutMs = left === Number.POSITIVE_INFINITY ? null : Math.max(1, Math.ceil(left));
    client.send('call', this.#serverId, { service, timeoutMs, message }, [body]);
  }

  /** The server says something of it. */
  heard({ type, head, bodies }: Frame): void {
    if (type === FRAME.part) this.#reply(head, bodies);
    else if (type === FRAME.answer) this.#end(() => this.#outcome.resolve({}));
    else this.#end(() => this.#outcome.reject(readError(head)));
  }

  /** The caller takes so many replies more. */
  credited(count: number): void {
    this.#credit += count;
    if (this.#serverId !== undefined) this.#server.client.send('credit', this.#serverId, { count });
  }

  serverGone(): void {
    this.#end(() => this.#outcome.reject(gone(this.#serverId === undefined)));
  }

  #reply(head: Head, bodies: readonly Uint8Array[]): void {
    try {
      if (this.#credit <= 0) throw new BusbarError('INTERNAL', 'the responder sent more replies than it was asked for');
      this.#credit -= 1;
      checkPassing(head, bodies[0], this.#caller.maxBodyBytes);
      speakFor(head as { from?: unknown }, this.#server.client.agent);
      this.#caller.send('part', this.#callerId, head, bodies.slice(0, 1));
    } catch (error) {
      this.#tellServer();
      this.#end(() => this.#outcome.reject(error));
    }
  }

  #cancelled(): void {
    this.#tellServer();
    this.#end(() => this.#outcome.reject(new BusbarError('ABORTED', 'the caller has gone', { outcome: 'unknown' })));
  }

  #tellServer(): void {
    if (this.#serverId !== undefined && !this.#isOver) this.#server.client.send('cancel', this.#serverId);
  }

  #end(settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#serverId !== undefined) this.#server.served.end(this.#serverId);
    this.#server.leave(this);
    settle();
  }
}

function nobody(address: string): BusbarError {
  return new BusbarError('NO_RESPONDER', `nobody serves ${address}`, { hint: 'Start one, or ask with durable.' });
}

/** A server that went before it was given the call has done nothing. */
function gone(isUntouched: boolean): BusbarError {
  if (isUntouched) return new BusbarError('NO_RESPONDER', 'the responder has gone', { hint: 'Call again.' });
  return new BusbarError('CLOSED', 'the responder went before it had answered', {
    outcome: 'unknown',
    hint: 'Call again where doing it twice does no harm.',
  });
}
