/** Calls within one process: the servers of each address. */

import { completeMessage, Limiter, type PreparedMessage, toHandlerError } from '@busbar/api/driver';
import { BusbarError, type CallHandler, type Message, type Service } from '@busbar/api/transport';
import { toMessage } from './queues/stored-message.ts';

/** The servers of each address. */
export class CallTable {
  readonly #servers = new Map<string, Set<Server>>();

  serve(address: string, max: number, handler: CallHandler): Service {
    const server = new Server(max, handler);
    const servers = this.#servers.get(address) ?? new Set();
    this.#servers.set(address, servers.add(server));
    const close = async (): Promise<void> => {
      servers.delete(server);
      if (servers.size === 0 && this.#servers.get(address) === servers) this.#servers.delete(address);
      await server.limiter.whenIdle();
    };
    return { close, [Symbol.asyncDispose]: close };
  }

  /** The replies of the least busy server of `address`; among equals, of the one chosen least recently. */
  async *call(address: string, message: PreparedMessage, signal: AbortSignal): AsyncIterable<Message> {
    const servers = this.#servers.get(address);
    let best: Server | undefined;
    for (const server of servers ?? [])
      if (best === undefined || server.limiter.load < best.limiter.load) best = server;
    if (best === undefined) {
      throw new BusbarError('NO_RESPONDER', `no process serves ${address}`, {
        hint: 'Start a server, or send a durable request.',
      });
    }
    servers?.delete(best);
    servers?.add(best);
    yield* best.run(message, signal);
  }
}

/** One server of an address. */
class Server {
  readonly limiter: Limiter;
  readonly #handler: CallHandler;

  constructor(max: number, handler: CallHandler) {
    this.limiter = new Limiter(max);
    this.#handler = handler;
  }

  async *run(message: PreparedMessage, signal: AbortSignal): AsyncIterable<Message> {
    await this.limiter.acquire(signal);
    try {
      for await (const reply of this.#handler(toMessage(message), { signal })) yield toMessage(completeMessage(reply));
    } catch (error) {
      throw toHandlerError(error);
    } finally {
      this.limiter.release();
    }
  }
}
