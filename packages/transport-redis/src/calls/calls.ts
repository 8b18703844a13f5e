/** The fast path of requests: sharded channels, nothing stored but large bodies on their way. */

import { type CallContext, type CallDriver, DeadlineQueue, type PreparedMessage } from '@busbar/api/driver';
import type { BusbarError, CallHandler, Message, Service } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { Arrivals } from './arrivals.ts';
import { Caller } from './caller.ts';
import { processChannel } from './channels.ts';
import { Outbox } from './outbox.ts';
import { CallPresence } from './presence.ts';
import { Responder } from './responder.ts';

/** How long telling callers may delay closing. */
const CLOSE_MS = 1_000;

export class RedisCalls implements CallDriver {
  readonly #client: ReconnectingClient;
  readonly #onError: (error: BusbarError) => void;
  readonly #deadlines = new DeadlineQueue();
  readonly #outbox: Outbox;
  readonly #caller: Caller;
  readonly #responder: Responder;
  #subscribed: Promise<void> | undefined;
  #isSubscribed = false;

  constructor(client: ReconnectingClient, maxBodyBytes: number, onError: (error: BusbarError) => void) {
    this.#client = client;
    this.#onError = onError;
    this.#outbox = new Outbox(client);
    const presence = new CallPresence(client, this.#deadlines);
    const shared = { client, deadlines: this.#deadlines, outbox: this.#outbox, presence, maxBodyBytes, onError };
    this.#caller = new Caller(shared);
    this.#responder = new Responder(shared);
  }

  async serve(address: string, max: number, work: CallHandler): Promise<Service> {
    await this.#subscribe();
    return this.#responder.serve(address, max, work);
  }

  call(address: string, message: PreparedMessage, context: CallContext): AsyncIterable<Message> {
    const call = this.#caller.call(address, message, context);
    if (this.#isSubscribed) this.#caller.send(call);
    else void this.#subscribe().then(() => this.#caller.send(call));
    return call.replies;
  }

  /** Ends the calls that this process answers. Resolves when their callers have been told. */
  async close(): Promise<void> {
    this.#responder.close();
    await this.#outbox.sent(CLOSE_MS);
    this.#deadlines.clear();
  }

  /** From now on this process takes answers and control messages. */
  async #subscribe(): Promise<void> {
    const { channels, past } = this.#client;
    const arrivals = new Arrivals({ client: this.#client, onError: this.#onError }, (parcel) => {
      if (parcel.kind === 'control') this.#responder.control(parcel);
      else this.#caller.take(parcel);
    });
    this.#subscribed ??= channels.subscribe(processChannel(past.process), (payload) => arrivals.take(payload));
    await this.#subscribed;
    this.#isSubscribed = true;
  }
}
