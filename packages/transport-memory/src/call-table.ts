/** Calls within one process: who serves which address, and the calls under way. */

import {
  BusbarError,
  isBusbarError,
  type Message,
  type MessageInput,
  newId,
  type Service,
  type StampedMessage,
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
      await server.close();
    };
    return { close, [Symbol.asyncDispose]: close };
  }

  /** The replies of one server of `address`: the least busy, of equals the one that was chosen least lately. */
  async *call(address: string, message: StampedMessage, signal: AbortSignal): AsyncIterable<Message> {
    const servers = this.#servers.get(address);
    let best: Server | undefined;
    for (const server of servers ?? []) if (best === undefined || server.busy < best.busy) best = server;
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
  readonly #max: number;
  readonly #handler: Handler;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #whenIdle: (() => void)[] = [];

  constructor(max: number, handler: Handler) {
    this.#max = max;
    this.#handler = handler;
  }

  get busy(): number {
    return (this.#running + this.#waiting.length) / this.#max;
  }

  async *run(message: StampedMessage, signal: AbortSignal): AsyncIterable<Message> {
    await this.#turn(signal);
    try {
      for await (const reply of this.#handler(toMessage(message), signal)) yield toReply(reply);
    } catch (error) {
      throw toHandlerError(error);
    } finally {
      this.#done();
    }
  }

  async close(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** Waits until one more may run. */
  async #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running < this.#max) {
      this.#running += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        reject(signal.reason);
      };
      const go = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      this.#waiting.push(go);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Hands its place to the next that waits. */
  #done(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
    if (this.#running === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
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
