/** Calls between the processes of one user on one host, over a Unix socket of each process that serves. */

import type { CallContext, CallDriver, KvDriver, PreparedMessage, WorkFailures } from '@busbar/api/driver';
import { BusbarError, type CallHandler, type Message, type MessageInput, type Service } from '@busbar/api/transport';
import { ServiceClosed } from './direct-peer.ts';
import { DirectServer } from './direct-server.ts';
import { Peers } from './peers.ts';
import { Registration } from './registration.ts';
import { ServedAddress } from './served-calls.ts';
import { keyOf, ServerDirectory } from './server-directory.ts';
import type { SocketFolder } from './socket-folder.ts';

/** What {@link DirectCalls} work with. */
export interface DirectCallsOptions {
  readonly folder: SocketFolder;
  /** The registry. */
  readonly kv: KvDriver;
  readonly maxBodyBytes: number;
  /** Gets failures of the renewal of its entries. */
  readonly failures: WorkFailures;
  /** The way to the servers that cannot be reached directly. Without it requests to them use queues. */
  readonly beside?: CallDriver;
  /** Whether calls may leave the other way. Default: always. */
  readonly isAllowed?: () => boolean;
}

const FORGET_TIMEOUT_MS = 1_000;

export class DirectCalls implements CallDriver {
  readonly reach: CallDriver['reach'];
  readonly #options: DirectCallsOptions;
  readonly #end = new AbortController();
  readonly #services = new Map<string, Set<ServedAddress>>();
  readonly #registration: Registration;
  readonly #directory: ServerDirectory;
  readonly #peers: Peers;

  constructor(options: DirectCallsOptions) {
    const { folder, kv, maxBodyBytes, failures, beside } = options;
    this.#options = options;
    this.reach = beside === undefined ? 'user' : beside.reach;
    this.#directory = new ServerDirectory(kv, this.#end.signal);
    this.#peers = new Peers(folder, maxBodyBytes);
    const services = { maxBodyBytes, find: (address: unknown) => this.#leastBusy(address) };
    this.#registration = new Registration({ kv, failures, signal: this.#end.signal }, async () => {
      const server = await DirectServer.listen(folder, services);
      void this.#peers.sweep().catch(() => undefined);
      return server;
    });
  }

  async serve(address: string, max: number, handler: CallHandler, context: CallContext): Promise<Service> {
    const { beside } = this.#options;
    const service = new ServedAddress(address, max, handler);
    const other = await beside?.serve(address, max, inTurn(service), context);
    const services = this.#services.get(address) ?? new Set();
    this.#services.set(address, services.add(service));
    try {
      await this.#registration.add(address);
    } catch (error) {
      // It is reached the other way, until a renewal of the registration succeeds.
      if (beside === undefined) {
        await this.#remove(service);
        throw error;
      }
    }
    const close = async (): Promise<void> => {
      await Promise.all([this.#remove(service), other?.close()]);
      await service.running.whenIdle();
    };
    return { close, [Symbol.asyncDispose]: close };
  }

  call(address: string, message: PreparedMessage, context: CallContext): AsyncIterable<Message> {
    return new RoutedCall(this, { address, message, context, tried: new Set() });
  }

  /** Registers again what a store has lost. */
  restore(): void {
    this.#registration.restore();
  }

  async close(): Promise<void> {
    await this.#registration.close();
    this.#end.abort();
    this.#peers.close();
    await this.#directory.close();
  }

  /** Sends the call over an open connection; undefined if there is none to a known server. */
  begin(request: RoutedRequest): AsyncIterator<Message> | undefined {
    const { address, message, context, tried } = request;
    let names: Iterable<string> | undefined = this.#directory.find(address);
    if (names === undefined || this.#options.isAllowed?.() === false) return undefined;
    if (tried.size > 0) names = [...names].filter((name) => !tried.has(name));
    const chosen = this.#peers.choose(names);
    if (chosen === undefined) return undefined;
    request.server = chosen.name;
    return chosen.peer.call(address, message, context.deadline);
  }

  /** Connects to the servers of the address, then sends the call. Throws NO_RESPONDER if there is no way to one. */
  async route(request: RoutedRequest): Promise<AsyncIterator<Message>> {
    const { address, message, context } = request;
    const { beside, isAllowed } = this.#options;
    if (isAllowed?.() !== false) {
      await this.#directory.whenSynced().catch(() => undefined);
      const replies = await this.#connect(request);
      if (replies !== undefined) return replies;
    }
    if (beside !== undefined) return beside.call(address, message, context)[Symbol.asyncIterator]();
    await this.#directory.lookUp(address);
    const replies = await this.#connect(request);
    if (replies !== undefined) return replies;
    throw noResponder(address);
  }

  async #connect(request: RoutedRequest): Promise<AsyncIterator<Message> | undefined> {
    const { address, tried } = request;
    const names = [...(this.#directory.find(address) ?? [])].filter((name) => !tried.has(name));
    await Promise.all(names.map((name) => this.#peers.open(name, () => this.#forget(address, name))));
    return this.begin(request);
  }

  /** The entry would lead others to the dead socket until it expires. */
  #forget(address: string, name: string): void {
    this.#directory.forget(address, name);
    const context = { signal: this.#end.signal, deadline: performance.now() + FORGET_TIMEOUT_MS };
    this.#options.kv.delete(keyOf(address, name), undefined, context).catch(() => undefined);
  }

  #leastBusy(address: unknown): ServedAddress | undefined {
    let best: ServedAddress | undefined;
    for (const service of this.#services.get(address as string) ?? []) {
      if (best === undefined || service.running.load < best.running.load) best = service;
    }
    return best;
  }

  async #remove(service: ServedAddress): Promise<void> {
    const { address } = service;
    const services = this.#services.get(address);
    services?.delete(service);
    if (services?.size !== 0) return;
    this.#services.delete(address);
    await this.#registration.remove(address);
  }
}

interface RoutedRequest {
  readonly address: string;
  readonly message: PreparedMessage;
  readonly context: CallContext;
  /** Servers that have closed their service. */
  readonly tried: Set<string>;
  /** The server that has the call. */
  server?: string;
}

const DONE: IteratorResult<Message> = { done: true, value: undefined };

/** The replies of one call. Until the first one, a server that has closed its service is replaced by another. */
class RoutedCall implements AsyncIterableIterator<Message> {
  readonly #calls: DirectCalls;
  readonly #request: RoutedRequest;
  #replies: AsyncIterator<Message> | undefined;
  #hasReply = false;
  #isLeft = false;

  constructor(calls: DirectCalls, request: RoutedRequest) {
    this.#calls = calls;
    this.#request = request;
    this.#replies = calls.begin(request);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message>> {
    if (this.#replies === undefined) return this.#route();
    if (this.#hasReply) return this.#replies.next();
    return this.#replies.next().then(this.#onReply, this.#onFailure);
  }

  async return(): Promise<IteratorResult<Message>> {
    this.#isLeft = true;
    await this.#replies?.return?.();
    return DONE;
  }

  async #route(): Promise<IteratorResult<Message>> {
    this.#replies = await this.#calls.route(this.#request);
    return this.#isLeft ? this.return() : this.next();
  }

  readonly #onReply = (first: IteratorResult<Message>): IteratorResult<Message> => {
    this.#hasReply = true;
    return first;
  };

  readonly #onFailure = (error: unknown): Promise<IteratorResult<Message>> => {
    const { server, tried } = this.#request;
    if (!(error instanceof ServiceClosed) || server === undefined) throw error;
    tried.add(server);
    return this.#route();
  };
}

/** The handler of a service, within its limit of concurrent calls. */
function inTurn({ handler, running }: ServedAddress): CallHandler {
  return async function* (message, call): AsyncGenerator<MessageInput> {
    if (!running.tryAcquire()) await running.acquire(call.signal);
    try {
      yield* handler(message, call);
    } finally {
      running.release();
    }
  };
}

function noResponder(address: string): BusbarError {
  return new BusbarError('NO_RESPONDER', `no process serves ${address}`, {
    hint: 'Start a server, or send a durable request.',
  });
}
