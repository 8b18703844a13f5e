/** Publishes events. The publishes of one round trip on one topic share a script, which also copies them to the bound queues. */

import type { CallContext, PreparedMessage, TickBatcher } from '@busbar/api/driver';
import type { PublishResult, TopicEvent } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import type { Argument } from '../connection/encode-command.ts';
import { notRefused, toFailures } from '../errors.ts';
import { chunksOf, MAX_ITEMS, runChunks, toLuaNumber } from '../lua/arguments.ts';
import { PUBLISH, PUBLISH_EPHEMERAL } from '../lua/topics.ts';
import type { Settings } from '../options.ts';
import { type StoredMessage, toMessage, toStoredMessage } from '../queues/stored-message.ts';
import type { BindingCache, BoundQueues } from './bindings.ts';
import { toPosition } from './position.ts';

/** Copies in bound queues that one script makes. */
const MAX_COPIES = 1024;

interface EventItem {
  readonly id: string;
  readonly stored: StoredMessage;
}

interface EphemeralItem {
  readonly id: string;
  readonly payload: Buffer;
}

export class Publisher {
  readonly #client: ReconnectingClient;
  readonly #bindings: BindingCache;
  readonly #settings: Settings;
  readonly #events: TickBatcher<EventItem, PublishResult>;
  readonly #ephemeral: TickBatcher<EphemeralItem, PublishResult>;

  constructor(client: ReconnectingClient, bindings: BindingCache, settings: Settings) {
    this.#client = client;
    this.#bindings = bindings;
    this.#settings = settings;
    this.#events = client.newBatcher({
      run: (topic, items, deadline) => this.#publish(topic, items, deadline),
      sizeOf: bytesOf,
    });
    this.#ephemeral = client.newBatcher({
      run: (topic, items, deadline) => this.#publishEphemeral(topic, items, deadline),
      sizeOf: ({ payload }) => payload.byteLength,
    });
  }

  async publish(
    topic: string,
    messages: readonly PreparedMessage[],
    { deadline }: CallContext,
  ): Promise<PublishResult[]> {
    const items = messages.map((message) => ({ id: message.id, stored: toStoredMessage(message) }));
    return notRefused((await this.#events.call(topic, items, deadline)) as PublishResult[]);
  }

  /** Sends events to the current subscribers without storing them. */
  async publishEphemeral(
    topic: string,
    messages: readonly PreparedMessage[],
    { deadline }: CallContext,
  ): Promise<PublishResult[]> {
    const items = messages.map((message) => ({
      id: message.id,
      // The payload has the topic already, and without it most envelopes are brief.
      payload: formatEphemeral(topic, toStoredMessage({ ...message, topic: undefined })),
    }));
    return (await this.#ephemeral.call(topic, items, deadline)) as PublishResult[];
  }

  async #publish(topic: string, items: readonly EventItem[], deadline: number): Promise<PublishResult[]> {
    let bound: BoundQueues;
    try {
      bound = this.#bindings.knownFor(topic) ?? (await this.#bindings.loadFor(topic, deadline));
    } catch (error) {
      return toFailures(items, error);
    }
    const max = Math.floor(MAX_COPIES / Math.max(1, bound.queues.length));
    const chunks = chunksOf(items, Math.max(1, Math.min(MAX_ITEMS, max)), bytesOf);
    return runChunks(chunks, (chunk) => this.#publishChunk(topic, chunk, bound, deadline));
  }

  /** After a repeat `duplicate` means stored, since the server knows the ids it has stored. */
  async #publishChunk(
    topic: string,
    items: readonly EventItem[],
    { version, queues }: BoundQueues,
    deadline: number,
  ): Promise<PublishResult[]> {
    const { topicDedupeMs, retention } = this.#settings;
    const bounds = [retention.maxEvents, retention.maxBytes, retention.maxAgeMs].map(toLuaNumber);
    const args: Argument[] = [topic, version, topicDedupeMs, ...bounds, queues.length, ...queues];
    for (const { stored } of items) args.push(stored.key, stored.envelope, stored.body);
    let reply: unknown;
    let isRepeated: boolean;
    try {
      [reply, isRepeated] = await this.#client.runIdempotentNow(PUBLISH, args, deadline);
    } catch (error) {
      return toFailures(items, error);
    }
    if (!Array.isArray(reply)) {
      // The bindings have changed. Later publishes wait for the new ones too, so the order stays.
      this.#bindings.forget();
      return this.#publish(topic, items, deadline);
    }
    return items.map(({ id }, index) => ({
      id,
      status: isRepeated || String(reply[2 * index]) === 's' ? 'stored' : 'duplicate',
      position: toPosition(this.#client.past.storeId, String(reply[2 * index + 1])),
    }));
  }

  async #publishEphemeral(topic: string, items: readonly EphemeralItem[], deadline: number): Promise<PublishResult[]> {
    const args = [topic, ...items.map(({ payload }) => payload)];
    await this.#client.runNow(PUBLISH_EPHEMERAL, args, { deadline, repeat: false });
    return items.map(({ id }) => ({ id, status: 'stored' }));
  }
}

function bytesOf({ stored }: EventItem): number {
  return stored.body.byteLength;
}

/** An ephemeral event as channels carry it: a mark and lengths, then topic, key, envelope and body. */
function formatEphemeral(topic: string, { key, envelope, body }: StoredMessage): Buffer {
  const [keyBytes, envelopeBytes] = [Buffer.from(key), Buffer.from(envelope)];
  const lengths = Buffer.from(`E${topic.length} ${keyBytes.length} ${envelopeBytes.length}\n${topic}`);
  return Buffer.concat([lengths, keyBytes, envelopeBytes, body]);
}

/** The ephemeral event in a payload; undefined for another kind of payload. */
export function parseEphemeral(payload: Buffer): TopicEvent | undefined {
  const end = payload.indexOf('\n');
  if (payload[0] !== 'E'.charCodeAt(0) || end < 0) return undefined;
  const lengths = payload.toString('latin1', 1, end).split(' ');
  const topicEnd = end + 1 + Number(lengths[0]);
  const keyEnd = topicEnd + Number(lengths[1]);
  const envelopeEnd = keyEnd + Number(lengths[2]);
  const topic = payload.toString('latin1', end + 1, topicEnd);
  const key = payload.toString('utf8', topicEnd, keyEnd);
  const envelope = payload.toString('utf8', keyEnd, envelopeEnd);
  return Object.assign(toMessage(key, envelope, payload.subarray(envelopeEnd)), { topic, position: undefined });
}
