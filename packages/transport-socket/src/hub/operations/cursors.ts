/** Cursors of one client: streams that the hub reads for it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Condition } from '@busbar/api/driver';
import {
  BusbarError,
  type KvChange,
  type StateRecord,
  type TopicEvent,
  type TopicSubscription,
} from '@busbar/api/transport';
import { encodeMessage, type Header, sizeOfMessage } from '@busbar/wire';
import { BATCH_BYTES } from '../../wire/protocol.ts';
import { encodeEntry } from '../../wire/value-codec.ts';
import type { AnswerGate } from '../answer-gate.ts';
import type { CancellationToken } from '../cancellation-token.ts';
import { type HeldBytes, PullBuffer } from './pull-buffer.ts';

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
  /** Resolves when it holds its first batch. */
  readonly firstPush?: Promise<void>;
  /** The position, if it moved while the client waits. */
  takeMoved?(): string | undefined;
}

const MAX_CURSORS = 10_000;
/** About how many bytes a cursor holds. */
export const HELD_BYTES: number = BATCH_BYTES / 4;
/** Limit of the bytes that the cursors of one client hold, for further cursors. */
const MAX_HELD_BYTES = 4 * BATCH_BYTES;
/** How long a further cursor waits until the client has read what the others hold. */
const HELD_TIMEOUT_MS = 10_000;
/** How long the first batch of a cursor may take before the next cursor of a client opens that reads too little. */
const FIRST_BATCH_MS = 10;

/** The cursors of one client, by the id of the request that opened each. */
export class ClientCursors {
  readonly held: HeldBytes = { bytes: 0, pulled: new Condition() };
  readonly #open = new Map<number, HubCursor>();
  /** The pending request of each cursor. */
  readonly #pending = new Map<number, number>();
  #isClosed = false;

  /**
   * Opens `cursor` by `begin`, which returns its first position. It waits while the other cursors hold much that the client
   * has not read. Rejects with BACKPRESSURE after a time, or if the client has too many cursors.
   */
  async open(
    id: number,
    cursor: HubCursor,
    answers: AnswerGate,
    begin: () => Promise<string | undefined>,
  ): Promise<HubResponse> {
    const deadline = performance.now() + HELD_TIMEOUT_MS;
    for (;;) {
      const opened = await answers.run(BATCH_BYTES, async () => {
        if (this.held.bytes > MAX_HELD_BYTES) return undefined;
        return this.#begin(id, cursor, begin);
      });
      if (opened !== undefined) return opened;
      if (performance.now() >= deadline || this.#isClosed) throw unread(this.held.bytes);
      await this.held.pulled.waitFor(deadline - performance.now());
    }
  }

  async #begin(id: number, cursor: HubCursor, begin: () => Promise<string | undefined>): Promise<HubResponse> {
    if (this.#open.size >= MAX_CURSORS) throw tooManyCursors();
    const position = await begin();
    if (this.#isClosed) cursor.close();
    else this.#open.set(id, cursor);
    // A client that reads holds little, and does not wait.
    if (this.held.bytes > HELD_BYTES) await Promise.race([cursor.firstPush, sleep(FIRST_BATCH_MS)]);
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
    this.held.pulled.notify();
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
  readonly buffer: PullBuffer<TopicEvent>;
  #subscription: TopicSubscription | undefined;
  /** The last position that the client knows. */
  #position: string | undefined;

  constructor(held: HeldBytes) {
    this.buffer = new PullBuffer<TopicEvent>(sizeOfMessage, held);
  }

  get firstPush(): Promise<void> {
    return this.buffer.firstPush;
  }

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
  readonly buffer: PullBuffer<KvChange>;

  constructor(held: HeldBytes) {
    this.buffer = new PullBuffer(sizeOfChange, held);
  }

  get firstPush(): Promise<void> {
    return this.buffer.firstPush;
  }

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

  readonly #answers: AnswerGate;

  constructor(records: AsyncIterable<StateRecord>, answers: AnswerGate) {
    this.#records = records[Symbol.asyncIterator]();
    this.#answers = answers;
  }

  next(max: number): Promise<HubResponse> {
    return this.#answers.run(BATCH_BYTES, () => this.#read(max));
  }

  async #read(max: number): Promise<HubResponse> {
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

function tooManyCursors(): BusbarError {
  return new BusbarError('BACKPRESSURE', `this client has ${MAX_CURSORS} subscriptions and watches`, {
    hint: 'Close some, or use wildcards.',
  });
}

function unread(bytes: number): BusbarError {
  return new BusbarError('BACKPRESSURE', `subscriptions and watches of this client hold ${bytes} unread bytes`, {
    hint: 'Read them first.',
  });
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
