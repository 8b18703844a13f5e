/** Publishes events: stored in the log of topics, or sent to current readers only. */

import type { CallContext, PreparedMessage } from '@busbar/api/driver';
import type { PublishResult } from '@busbar/api/transport';
import { encodeHeaders } from '../connection/message-headers.ts';
import type { StoreHeaders } from '../connection/store-header.ts';
import type { StreamFacts } from '../connection/streams.ts';
import { isClosedError, throwIfRefused, toDriverError } from '../errors.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import type { KnownQueue } from '../queues/queue-record.ts';
import { envelopeOf } from '../queues/send.ts';
import { encode } from '../queues/stored-message.ts';
import type { Bindings } from './bindings.ts';
import { toPosition } from './position.ts';

const LIST_MS = 1_000;

export class Publisher {
  readonly #shared: QueueContext;
  readonly #facts: StreamFacts;
  readonly #headers: StoreHeaders;
  readonly #bindings: Bindings;
  /** The last event known to this process. */
  #last = 0;
  #unpumped = 0;
  #bytes = 0;
  #bound: Promise<KnownQueue[]> | undefined;
  #listedAt = Number.NEGATIVE_INFINITY;

  constructor(shared: QueueContext, facts: StreamFacts, bindings: Bindings, headers: StoreHeaders) {
    this.#shared = shared;
    this.#headers = headers;
    this.#facts = facts;
    this.#bindings = bindings;
  }

  async publish(
    topic: string,
    messages: readonly PreparedMessage[],
    ephemeral: boolean,
    context: CallContext,
  ): Promise<PublishResult[]> {
    if (ephemeral) return messages.map((message) => this.#pass(topic, message));
    const { incarnation } = this.#headers.present;
    const results = await Promise.all(messages.map((message) => this.#store(topic, message, incarnation, context)));
    throwIfRefused(results);
    await this.#relieve(messages);
    return results;
  }

  async #store(
    topic: string,
    message: PreparedMessage,
    incarnation: string,
    context: CallContext,
  ): Promise<PublishResult> {
    const { requests, names, clock } = this.#shared;
    const { id } = message;
    const { topic: _, ...event } = message;
    const { inc: __, ...envelope } = envelopeOf(message, '', clock);
    const { data, headers } = encode({ ...event, topic: undefined }, envelope, eventId(incarnation, topic, id));
    try {
      const { seq, duplicate, isRepeated } = await requests.publish(names.topic(topic), data, headers, context);
      this.#last = Math.max(this.#last, seq);
      const status = duplicate && !isRepeated ? 'duplicate' : 'stored';
      return { id, status, position: toPosition(this.#headers.storeId, seq) };
    } catch (error) {
      const failure = toDriverError(error);
      return { id, status: failure.outcome, error: failure };
    }
  }

  /** The store has lost events. */
  forget(): void {
    this.#last = 0;
    this.#bound = undefined;
  }

  /** Sends an ephemeral event with the last known sequence, so that readers keep this order. */
  #pass(topic: string, message: PreparedMessage): PublishResult {
    const { requests, names } = this.#shared;
    const { client } = requests.connection;
    if (requests.connection.isUp && !client.isClosed()) {
      const { data, headers } = encode({ ...message, topic: undefined }, { after: this.#last, run: this.#headers.run });
      requests.connection.publish(names.ephemeral(topic), data, { headers: encodeHeaders(headers) });
    }
    return { id: message.id, status: 'stored' };
  }

  /** Retention may take an event before a bound queue has it: a publisher copies it in time. */
  async #relieve(messages: readonly PreparedMessage[]): Promise<void> {
    const { maxEvents, maxBytes } = this.#facts.retention;
    this.#unpumped += messages.length;
    for (const { body } of messages) this.#bytes += body.byteLength + OVERHEAD;
    if (this.#unpumped < maxEvents / SHARE && this.#bytes < maxBytes / SHARE) return;
    this.#unpumped = 0;
    this.#bytes = 0;
    for (const queue of await this.#boundQueues()) {
      // A store that has closed meanwhile has the events, and its mover copies them.
      await this.#bindings.pump(queue).catch((error: unknown) => {
        if (!isClosedError(error)) throw error;
      });
    }
  }

  #boundQueues(): Promise<KnownQueue[]> {
    const now = performance.now();
    if (this.#bound === undefined || this.#listedAt + LIST_MS < now) {
      this.#listedAt = now;
      this.#bound = this.#shared.records
        .list()
        .then((all) => all.filter(({ record }) => this.#shared.records.isAlive(record) && record.bindings.length > 0));
    }
    return this.#bound;
  }
}

/** Of a history of N events, N/10 are published between two looks at the queues that are bound. */
const SHARE = 10;
const OVERHEAD = 256;

/** The `Nats-Msg-Id` of an event: the server stores one of each id in one incarnation of the store. */
export function eventId(incarnation: string, topic: string, id: string): string {
  return `${incarnation} ${topic} ${encodeURIComponent(id)}`;
}
