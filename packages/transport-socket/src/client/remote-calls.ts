/** Calls from client to client through the hub. Nothing is stored. */

import type { CallDriver } from '@busbar/api/driver';
import type { Message } from '@busbar/api/transport';
import { FRAME, frame, type Header } from '../wire/frame.ts';
import { decodeMessage, encodeInput } from '../wire/message-codec.ts';
import { CALL_CREDIT } from '../wire/protocol.ts';
import type { HubClient } from './hub-client.ts';
import type { PendingRequest } from './pending-request.ts';
import type { RemoteService, ServiceRegistry } from './service-registry.ts';

/** Grants credit after this many replies instead of after each one. */
const CREDIT_STEP = CALL_CREDIT / 2;
const DONE: IteratorResult<Message> = { done: true, value: undefined };

/** Makes and serves calls. */
export function remoteCalls(client: HubClient, services: ServiceRegistry): CallDriver {
  return {
    async serve(address, max, handler, context) {
      const service = services.add(address, max, handler);
      try {
        await client.repeat('calls.serve', service.header, context);
      } catch (error) {
        services.remove(service);
        throw error;
      }
      service.isRegistered = true;
      const close = (): Promise<void> => closeService(client, services, service);
      return { close, [Symbol.asyncDispose]: close };
    },
    call: (address, message, { deadline }) =>
      new CallReplies(client, { address, message: encodeInput(message) }, message.body, deadline),
  };
}

async function closeService(client: HubClient, services: ServiceRegistry, service: RemoteService): Promise<void> {
  // The response comes after all calls that the hub had passed on. Without a connection there are none.
  if (services.remove(service) && client.isConnected) await client.tell('calls.unserve', { serviceId: service.id });
  await service.whenIdle();
}

/** The replies of one call. It is not a generator, since `return` must cancel the call while `next` is pending. */
class CallReplies implements AsyncIterableIterator<Message> {
  readonly #client: HubClient;
  readonly #request: PendingRequest;
  /** Replies that were not taken yet. The credit limits their number. */
  readonly #arrived: Message[] = [];
  #taken = 0;
  #end: { readonly error: unknown } | undefined;
  #waiting: PromiseWithResolvers<IteratorResult<Message>> | undefined;

  constructor(client: HubClient, header: Header, body: Uint8Array, deadline: number) {
    this.#client = client;
    this.#request = client.start({
      op: 'calls.call',
      header,
      bodies: [body],
      deadline,
      whenLost: 'unknown',
      onItem: (item) => this.#arrive(decodeMessage(item.header, item.bodies[0])),
    });
    this.#request.response.then(
      () => this.#finish(undefined),
      (error: unknown) => this.#finish(error),
    );
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message>> {
    const reply = this.#arrived.shift();
    if (reply !== undefined) return Promise.resolve(this.#take(reply));
    if (this.#end !== undefined) return ended(this.#end.error);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  return(): Promise<IteratorResult<Message>> {
    if (this.#end === undefined) {
      this.#client.cancel(this.#request.id);
      this.#finish(undefined);
    }
    return Promise.resolve(DONE);
  }

  #arrive(reply: Message): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#arrived.push(reply);
    else waiting.resolve(this.#take(reply));
  }

  #take(value: Message): IteratorResult<Message> {
    this.#taken += 1;
    if (this.#taken % CREDIT_STEP === 0)
      this.#client.send(frame(FRAME.credit, this.#request.id, { count: CREDIT_STEP }));
    return { done: false, value };
  }

  #finish(error: unknown): void {
    this.#end ??= { error };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) waiting.resolve(ended(this.#end.error));
  }
}

function ended(error: unknown): Promise<IteratorResult<Message>> {
  return error === undefined ? Promise.resolve(DONE) : Promise.reject(error);
}
