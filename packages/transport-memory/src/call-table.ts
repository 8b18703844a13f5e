/** Calls within one process: who serves which address, and the calls under way. */

import { Limiter, type PreparedMessage } from '@busbar/api/driver';
import {
  BusbarError,
  isBusbarError,
  type Message,
  type MessageInput,
  newId,
  type Service,
} from '@busbar/api/transport';
import { toMessage } from './queues/stored-message.ts';

type Handler = (message: Message, signal: AbortSignal) => AsyncIterable<MessageInput>;

/** Who serves which address. */
export class CallTable {
  readonly #servers = new Map<string, Set<Server>>();

  serve(address: string, max: number, handler: Handler): Service {
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

  /** The replies of one server of `address`: the least busy, of equals the one that was chosen least lately. */
  async *call(address: string, message: PreparedMessage, signal: AbortSignal): AsyncIterable<Message> {
    const servers = this.#servers.get(address);
    let best: Server | undefined;
    for (const server of servers ?? [])
      if (best === undefined || server.limiter.load < best.limiter.load) best = server;
    if (best === undefined) {
      throw new BusbarError('NO_RESPONDER', `nobody serves ${address}`, { hint: 'Start one, or ask with durable.' });
    }
    servers?.delete(best);
    servers?.add(best);
    yield* best.run(message, signal);
  }
}

/** One server of an address. */
class Server {
  readonly limiter: Limiter;
  readonly #handler: Handler;

  constructor(max: number, handler: Handler) {
    this.limiter = new Limiter(max);
    this.#handler = handler;
  }

  async *run(message: PreparedMessage, signal: AbortSignal): AsyncIterable<Message> {
    await this.limiter.acquire(signal);
    try {
      for await (const reply of this.#handler(toMessage(message), signal)) yield toReply(reply);
    } catch (error) {
      throw toHandlerError(error);
    } finally {
      this.limiter.release();
    }
  }
}

function toReply(reply: MessageInput): Message {
  return {
    id: reply.id ?? newId(),
    body: new Uint8Array(reply.body),
    contentType: reply.contentType ?? 'application/octet-stream',
    headers: reply.headers ?? {},
    type: reply.type,
    from: reply.from,
    to: reply.to,
    topic: undefined,
    priority: reply.priority ?? 4,
    orderingKey: reply.orderingKey,
    correlationId: reply.correlationId,
    causationId: reply.causationId,
    hops: reply.hops ?? 0,
    replyTo: reply.replyTo,
    sentAt: Date.now(),
  };
}

function toHandlerError(error: unknown): BusbarError {
  if (isBusbarError(error)) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new BusbarError('HANDLER_FAILED', text, { cause: error });
}
