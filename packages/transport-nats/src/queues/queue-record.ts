/** The settings record of a queue: one message in the ledger, changed by compare and set. */

import { QUEUE_DEFAULTS, type QueueSettings } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import { sequenceOf } from '../connection/message-headers.ts';
import { escapeToken, type Lane, type Names } from '../connection/names.ts';
import { pause } from '../connection/pause.ts';
import type { Bounds } from '../connection/request-inbox.ts';
import type { ServerClock } from '../connection/server-clock.ts';
import type { ServerRequests } from '../connection/server-requests.ts';

/** A pattern that feeds a queue. */
export interface QueueBinding {
  readonly pattern: string;
  /** It covers the events from this sequence of the topics on. */
  readonly since: number;
  /** Its consumer of the topics. */
  readonly consumer: string;
}

/** The record of a queue, which all clients share. */
export interface QueueRecord {
  /** Begins with each life of the queue: ids, receipts and consumers carry it. */
  readonly inc: string;
  /** Counts the sets of consumers of this life: a lost one is never taken for the one that replaces it. */
  readonly generation: number;
  readonly settings: Required<QueueSettings>;
  /** The lanes in use beside `normal`. */
  readonly lanes: readonly Lane[];
  readonly bindings: readonly QueueBinding[];
  /** When it was used last, for `expireIdleMs`. */
  readonly usedAt: number;
  /** Whether receives read the ledger for each message: some are hidden, or a consumer was lost. */
  readonly checked: boolean;
  /** Up to this sequence the ledger decides: a consumer was lost, and its successor redelivers settled messages. */
  readonly uncertainUpTo: number;
  /** Whether the queue has no consumers: receivers read its messages, and the ledger decides who gets one. */
  readonly direct: boolean;
  /** Receives read the ledger for each message until then: others may still claim without a consumer. */
  readonly askUntil: number;
  /** Until when ids have records of their own. */
  readonly idsUntil: number;
  /** Set while the queue is deleted: the last sequences of the streams of queues and of the ledger. */
  readonly gone?: readonly [number, number];
  readonly nonce: string;
}

/** A record as it was read. */
export interface KnownQueue {
  readonly name: string;
  readonly record: QueueRecord;
  readonly seq: number;
  readonly readAt: number;
}

/** How old a record may be that a call goes by. */
export const FRESH_MS = 1_000;
const MAX_KNOWN = 20_000;

/** The settings records of a namespace, kept for a second. */
export class QueueRecords {
  readonly #requests: ServerRequests;
  readonly #names: Names;
  readonly #clock: ServerClock;
  readonly #known = new Map<string, KnownQueue>();
  readonly #reading = new Map<string, Promise<KnownQueue | undefined>>();
  /** Queues that may be idle for too long by now. */
  readonly idle: Set<string> = new Set();
  readonly #touching = new Set<string>();
  /** Counts forgotten records. A read that began before the last one is not kept. */
  #forgotten = 0;

  constructor(requests: ServerRequests, names: Names, clock: ServerClock) {
    this.#requests = requests;
    this.#names = names;
    this.#clock = clock;
    requests.connection.onBack(() => this.forgetAll());
  }

  /** Forgets all records. */
  forgetAll(): void {
    this.#known.clear();
    this.#reading.clear();
    this.#forgotten += 1;
  }

  /** The queue as it was within the last second; undefined where there is none. */
  fresh(queue: string, context?: Bounds): Promise<KnownQueue | undefined> {
    const known = this.#known.get(queue);
    const isFresh = known !== undefined && known.readAt + FRESH_MS > performance.now() && this.isAlive(known.record);
    if (isFresh) return Promise.resolve(known);
    let reading = this.#reading.get(queue);
    if (reading === undefined) {
      const begun = this.read(queue, context);
      const end = (): void => {
        if (this.#reading.get(queue) === begun) this.#reading.delete(queue);
      };
      begun.then(end, end);
      reading = begun;
      this.#reading.set(queue, begun);
    }
    return reading;
  }

  /** The queue as it is now. A queue that was idle for too long, or is being deleted, is none. */
  async read(queue: string, context?: Bounds): Promise<KnownQueue | undefined> {
    const { known } = await this.#read(queue, context);
    return known !== undefined && this.isAlive(known.record) ? known : undefined;
  }

  /** The queue as it was when it was read last; undefined where it was not. */
  peek(queue: string): KnownQueue | undefined {
    return this.#known.get(queue);
  }

  /** The record of a queue, also of one that was idle for too long. */
  async find(queue: string): Promise<KnownQueue | undefined> {
    return (await this.#read(queue)).known;
  }

  /** Forgets a record that has changed. */
  forget(queue: string): void {
    this.#known.delete(queue);
    this.#reading.delete(queue);
    this.#forgotten += 1;
  }

  /** Changes the record. `change` gets undefined without a queue, and returns undefined to change nothing. */
  async change(
    queue: string,
    change: (record: QueueRecord | undefined) => QueueRecord | undefined,
    context?: Bounds,
  ): Promise<KnownQueue | undefined> {
    for (;;) {
      const { known, seq } = await this.#read(queue, context);
      const alive = known !== undefined && this.isAlive(known.record) ? known : undefined;
      const record = change(alive?.record);
      if (record === undefined) return alive;
      const written = await this.#write(queue, { ...record, nonce: nonce() }, seq, context);
      if (written !== undefined) {
        if (alive === undefined) this.#requests.send(this.#names.notice(queue));
        return written;
      }
      await pause(Math.random() * 5);
    }
  }

  /** The queue; it is made where there is none. */
  async ensure(queue: string, context?: Bounds): Promise<KnownQueue> {
    const known = await this.fresh(queue, context);
    return known ?? ((await this.change(queue, (record) => record ?? this.newRecord(queue), context)) as KnownQueue);
  }

  /** The queue with `lane` in use. Waiting receivers get a notice. */
  async useLane(known: KnownQueue, lane: Lane, context?: Bounds): Promise<KnownQueue> {
    if (lane === 'normal' || known.record.lanes.includes(lane)) return known;
    const add = (record: QueueRecord | undefined): QueueRecord | undefined => {
      const base = record ?? this.newRecord(known.name);
      return base.lanes.includes(lane) ? undefined : { ...base, lanes: [...base.lanes, lane].sort() };
    };
    const changed = await this.change(known.name, add, context);
    // Without consumers, receivers hear of the message itself.
    if (!changed?.record.direct) this.#requests.send(this.#names.notice(known.name));
    return changed ?? known;
  }

  /** Puts off the end of a queue that goes when it is idle. */
  touch({ name, record }: KnownQueue): void {
    const { expireIdleMs } = record.settings;
    if (expireIdleMs === Number.POSITIVE_INFINITY) return;
    this.idle.add(name);
    if (this.#touching.has(name)) return;
    if (this.#clock.store.late - record.usedAt < expireIdleMs / 3) return;
    this.#touching.add(name);
    const renew = (now: QueueRecord | undefined): QueueRecord | undefined =>
      now && { ...now, usedAt: this.#clock.store.late };
    this.change(name, renew)
      .catch(() => undefined) // The next use tries again.
      .finally(() => this.#touching.delete(name));
  }

  /** Ends this life of a queue; undefined where it is over already. */
  async end(queue: string, inc: string, gone: readonly [number, number]): Promise<KnownQueue | undefined> {
    for (;;) {
      const { known, seq } = await this.#read(queue);
      if (known === undefined || known.record.inc !== inc) return undefined;
      if (known.record.gone !== undefined) return known;
      const ended = await this.#write(queue, { ...known.record, gone, nonce: nonce() }, seq);
      if (ended !== undefined) return ended;
    }
  }

  /** Removes the record, unless it changed. */
  async remove({ name, seq }: KnownQueue): Promise<void> {
    this.#known.delete(name);
    await this.#requests.api(`STREAM.PURGE.${this.#names.ledger}`, {
      filter: this.#names.settings(name),
      seq: seq + 1,
    });
  }

  /** The records of the queues with these names, or of all; those of queues that are no more included. */
  async list(queues?: readonly string[]): Promise<KnownQueue[]> {
    const { ledger } = this.#names;
    const all: KnownQueue[] = [];
    const pages =
      queues === undefined
        ? this.#requests.reader.scan(ledger, this.#names.settings('>'))
        : this.#requests.reader.lastOf(
            ledger,
            queues.map((queue) => this.#names.settings(queue)),
          );
    for await (const page of pages) for (const message of page) all.push(this.#parse(message));
    const newest = new Map(all.map((known) => [known.name, known]));
    return [...newest.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** Whether the queue may be used. If one client sees it expired, no other client uses it, whatever its clock. */
  isAlive({ gone, usedAt, settings }: QueueRecord): boolean {
    return gone === undefined && usedAt + settings.expireIdleMs > this.#clock.store.late;
  }

  /** Whether the queue is still to be seen. */
  isSeen({ gone, usedAt, settings }: QueueRecord): boolean {
    return gone === undefined && usedAt + settings.expireIdleMs > this.#clock.store.now;
  }

  /** A mailbox begins without consumers: there are many, most of them idle. */
  newRecord(queue: string): QueueRecord {
    return {
      ...{ inc: nonce(), generation: 0, settings: QUEUE_DEFAULTS, lanes: [], bindings: [] },
      ...{ usedAt: this.#clock.store.late, checked: false, uncertainUpTo: 0, idsUntil: 0, nonce: '' },
      ...{ direct: isMailbox(queue), askUntil: 0 },
    };
  }

  async #read(queue: string, context?: Bounds): Promise<{ known: KnownQueue | undefined; seq: number }> {
    const forgotten = this.#forgotten;
    const message = await this.#requests.reader.last(this.#names.ledger, this.#names.settings(queue), context);
    if (message === undefined) {
      this.#known.delete(queue);
      return { known: undefined, seq: 0 };
    }
    const known = this.#parse(message);
    if (forgotten === this.#forgotten) this.#keep(known);
    return { known, seq: known.seq };
  }

  #parse(message: Msg): KnownQueue {
    const parsed = JSON.parse(message.string()) as QueueRecord;
    const record = { ...parsed, settings: fromJsonSettings(parsed.settings) };
    const subject = message.headers?.get('Nats-Subject') ?? '';
    const name = subject.slice(this.#names.settings('').length);
    return { name, record, seq: sequenceOf(message), readAt: performance.now() };
  }

  async #write(queue: string, record: QueueRecord, last: number, context?: Bounds): Promise<KnownQueue | undefined> {
    const headers = { 'Nats-Expected-Last-Subject-Sequence': last, 'Nats-Rollup': 'sub' };
    const readAt = performance.now();
    const subject = this.#names.settings(queue);
    const ack = await this.#requests.publishGuarded(subject, JSON.stringify(record), headers, context);
    if (ack === undefined) {
      // It may have been this very write whose answer was lost.
      const { known } = await this.#read(queue, context);
      return known?.record.nonce === record.nonce ? known : undefined;
    }
    const known = { name: queue, record, seq: ack.seq, readAt };
    this.#keep(known);
    return known;
  }

  #keep(known: KnownQueue): void {
    if (!this.isAlive(known.record)) {
      this.#known.delete(known.name);
      return;
    }
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(known.name, known);
  }
}

/** Whether the queue is one of Busbar's own, such as the mailbox of an agent. */
export function isMailbox(queue: string): boolean {
  return queue.startsWith('$');
}

/** Eight characters that no other process takes. */
export function nonce(): string {
  return escapeToken(crypto.randomUUID().slice(0, 8));
}

/** Settings in JSON, which has no Infinity: `null` stands for it. */
function fromJsonSettings<T extends object>(settings: T): T {
  const entries = Object.entries(settings).map(([name, value]) => [
    name,
    value === null ? Number.POSITIVE_INFINITY : value,
  ]);
  return Object.fromEntries(entries) as T;
}
