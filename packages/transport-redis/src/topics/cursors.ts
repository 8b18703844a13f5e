/** The subscriptions of a process: opening them, and waking those that a publish concerns. */

import type { CallContext } from '@busbar/api/driver';
import { type From, invalid, matchTopic } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import { SCRIPTS } from '../lua/scripts.ts';
import { readPassing } from './ephemeral-event.ts';
import { LogCursor } from './event-cursor.ts';
import { compareIds, idBefore, parsePosition, positionExpired } from './position.ts';

const ALL = 'topics';

interface Channel {
  readonly cursors: Set<LogCursor>;
  readonly heard: Promise<void>;
}

export class Cursors {
  readonly #link: Link;
  readonly #store: string;
  readonly #channels = new Map<string, Channel>();

  constructor(link: Link, store: string) {
    this.#link = link;
    this.#store = store;
    link.onReturn(() => {
      for (const cursor of this.#all()) cursor.wake();
    });
  }

  get isEmpty(): boolean {
    return this.#channels.size === 0;
  }

  /** Opens a cursor. What is published is heard when this resolves. */
  async open(pattern: string, from: From, context: CallContext): Promise<LogCursor> {
    const name = /[*>]/.test(pattern) ? ALL : `topic:${pattern}`;
    const cursor = new LogCursor(pattern, this.#store, this.#link, () => this.#leave(name, cursor));
    const channel = this.#channel(name);
    channel.cursors.add(cursor);
    try {
      await channel.heard;
      cursor.begin(await this.resolve(from, context));
      return cursor;
    } catch (error) {
      await cursor.close();
      throw error;
    }
  }

  /** The id in the log behind which to begin. */
  async resolve(from: From, { deadline }: Pick<CallContext, 'deadline'>): Promise<string> {
    const reply = (await this.#link.run(SCRIPTS.place, [this.#store], { deadline, repeat: true })) as Buffer[];
    const [, last = '0-0', trimmed = '0-0'] = reply.map(String);
    if (from === 'new') return last;
    if (from === 'start') return trimmed;
    if ('time' in from) return earlier(last, later(trimmed, idBefore(from.time)));
    const id = parsePosition(this.#store, from.after);
    if (compareIds(id, last) > 0) {
      throw invalid('this position lies ahead of the log', 'The server lost what was newer; begin with start.');
    }
    if (compareIds(id, trimmed) < 0) throw positionExpired();
    return id;
  }

  /** Everything up to this event has been published: who has heard of all there is stands behind it. */
  advance(id: string): void {
    if (this.isEmpty) return;
    this.#link.ears.catchUp().then(
      () => {
        for (const cursor of this.#all()) cursor.advance(id);
      },
      () => undefined,
    );
  }

  async close(): Promise<void> {
    for (const cursor of [...this.#all()]) await cursor.close();
  }

  *#all(): Iterable<LogCursor> {
    for (const { cursors } of this.#channels.values()) yield* cursors;
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    const cursors = new Set<LogCursor>();
    const channel = { cursors, heard: this.#link.ears.listen(name, (payload) => hear(cursors, payload)) };
    this.#channels.set(name, channel);
    return channel;
  }

  #leave(name: string, cursor: LogCursor): void {
    const channel = this.#channels.get(name);
    channel?.cursors.delete(cursor);
    if (channel?.cursors.size !== 0) return;
    this.#channels.delete(name);
    this.#link.ears.leave(name);
  }
}

/** Either something stands in the log, or an ephemeral event goes by. */
function hear(cursors: ReadonlySet<LogCursor>, payload: Buffer): void {
  if (payload[0] === 'L'.charCodeAt(0)) {
    const [first = '', last = '', topic = ''] = payload.toString('latin1', 1).split(' ');
    for (const cursor of cursors) cursor.logged(first, last, matchTopic(cursor.pattern, topic));
    return;
  }
  const event = readPassing(payload);
  if (event === undefined) return;
  for (const cursor of cursors) if (matchTopic(cursor.pattern, event.topic)) cursor.pass(event);
}

function later(one: string, other: string): string {
  return compareIds(one, other) > 0 ? one : other;
}

function earlier(one: string, other: string): string {
  return compareIds(one, other) < 0 ? one : other;
}
