/** The subscriptions of a process: opens cursors, and wakes those that a message on a channel concerns. */

import { type CallContext, positionExpired } from '@busbar/api/driver';
import { type From, hasWildcard, invalid, matchTopic, type TopicEvent } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import type { FoundReset } from '../connection/store-past.ts';
import { RedisEventCursor } from './event-cursor.ts';
import { readLogRange } from './event-log.ts';
import { compareIds, earlierId, idBeforeTime, laterId, parsePosition } from './position.ts';
import { parseEphemeral } from './publish.ts';

/** The channel of all topics. Each topic also has a channel of its own. */
const ALL_TOPICS = 'topics';

interface Channel {
  readonly cursors: Set<RedisEventCursor>;
  readonly subscribed: Promise<void>;
}

export class EventCursors {
  readonly #client: ReconnectingClient;
  readonly #channels = new Map<string, Channel>();
  readonly #openListeners: (() => void)[] = [];

  constructor(client: ReconnectingClient) {
    this.#client = client;
    // Before the next connection: its first message may be of an event behind those that were missed meanwhile.
    client.onState(({ state }) => {
      if (state === 'reconnecting') this.#wakeAll();
    });
    client.onReconnect(() => this.#wakeAll());
  }

  get isEmpty(): boolean {
    return this.#channels.size === 0;
  }

  /** Calls `listener` when a cursor has been opened. */
  onOpen(listener: () => void): void {
    this.#openListeners.push(listener);
  }

  /** Opens a cursor. Events published after it resolves reach the cursor, ephemeral ones included. */
  async open(pattern: string, from: From, context: CallContext): Promise<RedisEventCursor> {
    const name = hasWildcard(pattern) ? ALL_TOPICS : `topic:${pattern}`;
    const cursor = new RedisEventCursor(pattern, this.#client, () => this.#remove(name, cursor));
    const channel = this.#channel(name);
    channel.cursors.add(cursor);
    try {
      await channel.subscribed;
      cursor.begin(await this.findStart(from, context));
      for (const listener of this.#openListeners) listener();
      return cursor;
    } catch (error) {
      await cursor.close();
      throw error;
    }
  }

  /** The log id after which `from` begins. */
  async findStart(from: From, { deadline }: Pick<CallContext, 'deadline'>): Promise<string> {
    const { last, trimmed } = await readLogRange(this.#client, deadline);
    if (from === 'new') return last;
    if (from === 'start') return trimmed;
    if ('time' in from) return earlierId(last, laterId(trimmed, idBeforeTime(from.time)));
    const id = parsePosition(this.#client.past.storeId, from.after);
    if (compareIds(id, last) > 0) {
      throw invalid('this position is ahead of the log', "The server lost newer events. Continue from 'start'.");
    }
    if (compareIds(id, trimmed) < 0) throw positionExpired();
    return id;
  }

  /** Moves idle cursors to the last event of the log, once the messages of all channels up to it have arrived. */
  advance(id: string): void {
    if (this.isEmpty) return;
    this.#client.channels.catchUp().then(
      () => {
        for (const cursor of this.#all()) cursor.advance(id);
      },
      () => undefined,
    );
  }

  /** The store lost events: cursors go on over those it has. */
  rewind({ cause, last, trimmed }: FoundReset): void {
    for (const cursor of this.#all()) cursor.rewind(cause === 'replaced' ? trimmed : last, last);
    this.#wakeAll();
  }

  async close(): Promise<void> {
    for (const cursor of [...this.#all()]) await cursor.close();
  }

  #wakeAll(): void {
    for (const cursor of this.#all()) cursor.wake();
  }

  *#all(): Iterable<RedisEventCursor> {
    for (const { cursors } of this.#channels.values()) yield* cursors;
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    const cursors = new Set<RedisEventCursor>();
    const subscribed = this.#client.channels.subscribe(name, (payload) => dispatch(cursors, payload));
    const channel = { cursors, subscribed };
    this.#channels.set(name, channel);
    return channel;
  }

  #remove(name: string, cursor: RedisEventCursor): void {
    const channel = this.#channels.get(name);
    channel?.cursors.delete(cursor);
    if (channel?.cursors.size !== 0) return;
    this.#channels.delete(name);
    this.#client.channels.unsubscribe(name);
  }
}

/** A payload is an ephemeral event, or `L` with the first and last id of new events in the log and their topic. */
function dispatch(cursors: ReadonlySet<RedisEventCursor>, payload: Buffer): void {
  if (payload[0] === 'L'.charCodeAt(0)) {
    const [first = '', last = '', topic = ''] = payload.toString('latin1', 1).split(' ');
    for (const cursor of cursors) cursor.onLogged(first, last, matchTopic(cursor.pattern, topic));
    return;
  }
  const event = parseEphemeral(payload);
  if (event === undefined) return;
  // The first subscriber gets the event, each other one a copy, so that changes of one do not reach another.
  let isTaken = false;
  for (const cursor of cursors) {
    if (!matchTopic(cursor.pattern, event.topic)) continue;
    cursor.onEphemeral(isTaken ? copyOf(event) : event);
    isTaken = true;
  }
}

function copyOf(event: TopicEvent): TopicEvent {
  return { ...event, body: event.body.slice(), headers: { ...event.headers } };
}
