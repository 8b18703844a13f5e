/** Cursors of one client: streams that the hub reads for it. */

import {
  BusbarError,
  type KvChange,
  type StateRecord,
  type TopicEvent,
  type TopicSubscription,
} from '@busbar/api/transport';
import type { Header } from '../../wire/frame.ts';
import { encodeMessage, sizeOfMessage } from '../../wire/message-codec.ts';
import { BATCH_BYTES } from '../../wire/protocol.ts';
import { encodeEntry } from '../../wire/value-codec.ts';
import type { CancellationToken } from '../cancellation-token.ts';
import { PullBuffer } from './pull-buffer.ts';

/** The content of a response. */
export interface HubResponse {
  readonly header?: Header;
  readonly bodies?: readonly Uint8Array[];
  /** Called if the response cannot be sent. */
  readonly undo?: () => void;
}

/** A stream that a client reads batch by batch. */
export interface HubCursor {
  next(max: number, cancellation: CancellationToken): Promise<HubResponse>;
  close(): void;
  /** The position, if it moved while the client waits. */
  takeMoved?(): string | undefined;
}

const MAX_CURSORS = 10_000;

/** The cursors of one client, by the id of the request that opened each. */
export class ClientCursors {
  readonly #open = new Map<number, HubCursor>();
  /** The pending request of each cursor. */
  readonly #pending = new Map<number, number>();
  #isClosed = false;

  /** Throws BACKPRESSURE if the client has too many cursors. */
  assertRoom(): void {
    if (this.#open.size < MAX_CURSORS) return;
    throw new BusbarError('BACKPRESSURE', `this client has ${MAX_CURSORS} subscriptions and watches`, {
      hint: 'Close some, or use wildcards.',
    });
  }

  /** Returns the response, with `position` of the cursor. */
  add(id: number, cursor: HubCursor, position?: string): HubResponse {
    if (this.#isClosed) cursor.close();
    else this.#open.set(id, cursor);
    return { header: { cursor: id, position } };
  }

  async next(id: number, requestId: number, max: number, cancellation: CancellationToken): Promise<HubResponse> {
    const cursor = this.#open.get(id);
    if (cursor === undefined)
      throw new BusbarError('NOT_FOUND', 'this cursor does not exist', { hint: 'Open one first.' });
    if (this.#pending.has(id))
      throw new BusbarError('CONFLICT', 'another request reads this cursor', { hint: 'Wait for its response.' });
    this.#pending.set(id, requestId);
    try {
      return await cursor.next(max, cancellation);
    } finally {
      this.#pending.delete(id);
    }
  }

  close(id: number): void {
    this.#open.get(id)?.close();
    this.#open.delete(id);
  }

  closeAll(): void {
    this.#isClosed = true;
    for (const cursor of this.#open.values()) cursor.close();
    this.#open.clear();
  }

  /** Pending requests whose cursor moved on, with the new positions. */
  *takeMoved(): Iterable<readonly [requestId: number, position: string]> {
    for (const [id, requestId] of this.#pending) {
      const position = this.#open.get(id)?.takeMoved?.();
      if (position !== undefined) yield [requestId, position];
    }
  }
}

/** The events of a subscription. */
export class EventFeed implements HubCursor {
  readonly buffer: PullBuffer<TopicEvent> = new PullBuffer<TopicEvent>(sizeOfMessage);
  #subscription: TopicSubscription | undefined;
  /** The last position that the client knows. */
  #position: string | undefined;

  /** Returns the first position. */
  begin(subscription: TopicSubscription): string | undefined {
    this.#subscription = subscription;
    this.buffer.begin(subscription);
    this.#position = subscription.position;
    return this.#position;
  }

  async next(max: number, cancellation: CancellationToken): Promise<HubResponse> {
    const events = await this.buffer.pull(max, cancellation);
    this.#position = events.findLast(({ position }) => position !== undefined)?.position ?? this.#position;
    const dropped = this.#subscription?.dropped ?? 0;
    const headers = events.map(encodeEvent);
    return {
      header: dropped === 0 ? { events: headers } : { events: headers, dropped },
      bodies: events.map(({ body }) => body),
    };
  }

  takeMoved(): string | undefined {
    const position = this.#subscription?.position;
    if (!this.buffer.isWaiting || position === undefined || position === this.#position) return undefined;
    this.#position = position;
    return position;
  }

  close(): void {
    this.buffer.close();
  }
}

/** The changes of a watch. */
export class ChangeFeed implements HubCursor {
  readonly buffer: PullBuffer<KvChange> = new PullBuffer(sizeOfChange);

  async next(max: number, cancellation: CancellationToken): Promise<HubResponse> {
    const changes = await this.buffer.pull(max, cancellation);
    const bodies = changes.flatMap((change) => (change.kind === 'put' ? [change.entry.value] : []));
    return { header: { changes: changes.map(encodeChange) }, bodies };
  }

  close(): void {
    this.buffer.close();
  }
}

/** The records of an export. */
export class RecordFeed implements HubCursor {
  readonly #records: AsyncIterator<StateRecord>;

  constructor(records: AsyncIterable<StateRecord>) {
    this.#records = records[Symbol.asyncIterator]();
  }

  async next(max: number): Promise<HubResponse> {
    const records: StateRecord[] = [];
    for (let bytes = 0; records.length < max && bytes < BATCH_BYTES; ) {
      const { done, value } = await this.#records.next();
      if (done === true) return { header: { records, end: true } };
      records.push(value);
      bytes += JSON.stringify(value).length;
    }
    return { header: { records } };
  }

  close(): void {
    void this.#records.return?.();
  }
}

function encodeEvent(event: TopicEvent): Header {
  return { ...encodeMessage(event), position: event.position };
}

function sizeOfChange(change: KvChange): number {
  return change.kind === 'put' ? change.entry.value.byteLength + change.entry.key.length : 64;
}

function encodeChange(change: KvChange): object {
  return change.kind === 'put' ? { kind: 'put', ...encodeEntry(change.entry) } : change;
}
