/** Answers the requests to the page's agent: those over calls at once, durable ones through a reply queue. */

import { completeMessage } from '@busbar/api/driver';
import { deriveId, RendezvousChannel, toFailedReply, toReceived, toReply, toResponse } from '@busbar/api/parts';
import { type Delivery, isBusbarError, type Message, type MessageInput } from '@busbar/api/transport';
import { type PageCore, toStored } from '../page-core.ts';
import type { Handlers } from './handlers.ts';

/** `busbar ping` measures how long the response to this type takes. */
const PING = '$ping';
const MAX_HOPS = 255;

export class Responder {
  readonly #core: PageCore;
  readonly #handlers: Handlers;
  running = 0;

  constructor(core: PageCore, handlers: Handlers) {
    this.#core = core;
    this.#handlers = handlers;
  }

  /** The replies to a request. */
  respond(message: Message, signal: AbortSignal): AsyncIterable<MessageInput> {
    const channel = new RendezvousChannel<MessageInput>();
    void this.#run(message, signal, channel).then((last) => channel.end(last));
    return channel;
  }

  /** Runs the handler. Resolves with the last reply; never rejects. */
  async #run(message: Message, signal: AbortSignal, channel: RendezvousChannel<MessageInput>): Promise<MessageInput> {
    const { bodies } = this.#core;
    if (message.type === PING) return toResponse(bodies, 'pong');
    let isHandled = false;
    this.running += 1;
    try {
      const handler = this.#handlers.find(message.type);
      const received = toReceived(bodies, message);
      isHandled = true;
      const reply = (part: unknown): Promise<void> => channel.send(toReply(bodies, 'part', part));
      return toResponse(bodies, await handler(received, { signal, attempt: 1, reply }));
    } catch (error) {
      if (isHandled) this.#core.report(error);
      return toFailedReply(isHandled ? 'failed' : 'refused', error);
    } finally {
      this.running -= 1;
    }
  }

  /**
   * Sends a reply to a durable request; does nothing for other messages, and when the requester's queue is gone. Its id is derived
   * from the request's, so a request that is handled twice gets one reply.
   */
  async reply(request: Delivery, reply: () => MessageInput, place: string): Promise<void> {
    const { id, queue, replyTo, from, hops } = request;
    if (replyTo === undefined) return;
    const { store, settings } = this.#core;
    const message = completeMessage({
      ...reply(),
      id: deriveId(`${id}\n${queue}\nreply\n${place}`),
      from: settings.agent,
      to: from,
      correlationId: id,
      causationId: id,
      hops: Math.min(MAX_HOPS, hops + 1),
    });
    try {
      toStored((await store.bounded(undefined, (context) => store.queues.send(replyTo, [message], false, context)))[0]);
    } catch (error) {
      if (!isBusbarError(error) || error.code !== 'NOT_FOUND') throw error;
    }
  }
}
