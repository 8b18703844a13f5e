/** Streams of one client that the hub reads for it: events, changes of entries, an export. */

import {
  BusbarError,
  type KvChange,
  type KvWatch,
  type StateRecord,
  type Subscription,
  type TopicEvent,
} from '@busbar/api/transport';
import type { Head } from '../../wire/frame.ts';
import { toMessageHead } from '../../wire/message-codec.ts';
import { sizeOfMessage } from '../../wire/message-size.ts';
import { BATCH_BYTES } from '../../wire/protocol.ts';
import { toEntryHead } from '../../wire/value-codec.ts';
import type { Cancellation } from '../cancellation-token.ts';
import { Feed } from './feed.ts';
import type { Reply } from './operation.ts';

/** A stream that a client reads batch by batch. */
export interface HubCursor {
  next(max: number, cancellation: Cancellation): Promise<Reply>;
  close(): void;
  /** Where it stands now, if a client waits and it moved on since it was asked last. */
  movedTo?(): string | undefined;
}

const MAX_CURSORS = 10_000;

/** The cursors of one client, by the id of the request that opened each. */
export class Cursors {
  readonly #open = new Map<number, HubCursor>();
  /** The request that waits for each. */
  readonly #waiting = new Map<number, number>();

  /** Throws BACKPRESSURE where there are too many. */
  assertRoom(): void {
    if (this.#open.size < MAX_CURSORS) return;
    throw new BusbarError('BACKPRESSURE', `this client has ${MAX_CURSORS} subscriptions and watches`, {
      hint: 'Close some, or use wildcards.',
    });
  }

  add(id: number, cursor: HubCursor): void {
    this.#open.set(id, cursor);
  }

  async next(id: number, requestId: number, max: number, cancellation: Cancellation): Promise<Reply> {
    const cursor = this.#open.get(id);
    if (cursor === undefined)
      throw new BusbarError('NOT_FOUND', 'there is no such cursor', { hint: 'Open one first.' });
    if (this.#waiting.has(id))
      throw new BusbarError('CONFLICT', 'the cursor is being read already', { hint: 'Await it.' });
    this.#waiting.set(id, requestId);
    try {
      return await cursor.next(max, cancellation);
    } finally {
      this.#waiting.delete(id);
    }
  }

  close(id: number): void {
    this.#open.get(id)?.close();
    this.#open.delete(id);
  }

  closeAll(): void {
    for (const cursor of this.#open.values()) cursor.close();
    this.#open.clear();
  }

  /** What moved on while a client waits: the requests that wait, each with its new position. */
  *moved(): Iterable<readonly [requestId: number, position: string]> {
    for (const [id, requestId] of this.#waiting) {
      const position = this.#open.get(id)?.movedTo?.();
      if (position !== undefined) yield [requestId, position];
    }
  }
}

/** Events of a subscription. */
export class EventFeed implements HubCursor {
  readonly #feed = new Feed<TopicEvent>();
  #subscription: Subscription | undefined;
  #told: string | undefined;
  readonly take = (events: readonly TopicEvent[]): Promise<void> => this.#feed.take(events);

  /** Where it begins. */
  begin(subscription: Subscription): string | undefined {
    this.#subscription = subscription;
    void subscription.ended.then((error) => this.#feed.end(error));
    this.#told = subscription.position;
    return this.#told;
  }

  async next(max: number, cancellation: Cancellation): Promise<Reply> {
    const events = await this.#feed.next(max, sizeOfMessage, BATCH_BYTES, cancellation);
    this.#told = events.findLast(({ position }) => position !== undefined)?.position ?? this.#told;
    const dropped = this.#subscription?.dropped ?? 0;
    const heads = events.map(toEventHead);
    return {
      head: dropped === 0 ? { events: heads } : { events: heads, dropped },
      bodies: events.map(({ body }) => body),
    };
  }

  movedTo(): string | undefined {
    const position = this.#subscription?.position;
    if (!this.#feed.isWaiting || position === undefined || position === this.#told) return undefined;
    this.#told = position;
    return position;
  }

  close(): void {
    this.#feed.end(undefined);
    this.#subscription?.close().catch(() => undefined);
  }
}

/** Changes that a watch tells. */
export class ChangeFeed implements HubCursor {
  readonly #feed = new Feed<KvChange>();
  #watch: KvWatch | undefined;
  readonly take = (changes: readonly KvChange[]): Promise<void> => this.#feed.take(changes);

  begin(watch: KvWatch): void {
    this.#watch = watch;
    void watch.ended.then((error) => this.#feed.end(error));
  }

  async next(max: number, cancellation: Cancellation): Promise<Reply> {
    const changes = await this.#feed.next(max, sizeOfChange, BATCH_BYTES, cancellation);
    const bodies = changes.flatMap((change) => (change.kind === 'put' ? [change.entry.value] : []));
    return { head: { changes: changes.map(toChangeHead) }, bodies };
  }

  close(): void {
    this.#feed.end(undefined);
    this.#watch?.close().catch(() => undefined);
  }
}

/** Records of an export. */
export class RecordFeed implements HubCursor {
  readonly #records: AsyncIterator<StateRecord>;

  constructor(records: AsyncIterable<StateRecord>) {
    this.#records = records[Symbol.asyncIterator]();
  }

  async next(max: number): Promise<Reply> {
    const records: StateRecord[] = [];
    for (let bytes = 0; records.length < max && bytes < BATCH_BYTES; ) {
      const { done, value } = await this.#records.next();
      if (done === true) return { head: { records, end: true } };
      records.push(value);
      bytes += JSON.stringify(value).length;
    }
    return { head: { records } };
  }

  close(): void {
    void this.#records.return?.();
  }
}

function toEventHead(event: TopicEvent): Head {
  const head = toMessageHead(event);
  if (event.position !== undefined) head['position'] = event.position;
  return head;
}

function sizeOfChange(change: KvChange): number {
  return change.kind === 'put' ? change.entry.value.byteLength + change.entry.key.length : 64;
}

function toChangeHead(change: KvChange): object {
  return change.kind === 'put' ? { kind: 'put', ...toEntryHead(change.entry) } : change;
}
