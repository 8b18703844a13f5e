/** A queue at one moment: its messages, read beside its ledger. */

import { completeMessage, readAhead } from '@busbar/api/driver';
import type { BrowsedMessage, MessageState, QueueInfo } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import { sequenceOf } from '../connection/message-headers.ts';
import { type Lane, LEVELS } from '../connection/names.ts';
import { isDenied } from '../errors.ts';
import { endMessage, isOver } from '../queues/claim.ts';
import { attemptsOf, dueAtOf, historyOf, laneOf, readAt } from '../queues/dead-letters.ts';
import { leftOf } from '../queues/lease.ts';
import type { Entry, Ledger } from '../queues/ledger.ts';
import { pullStored } from '../queues/pull-stored.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import type { KnownQueue } from '../queues/queue-record.ts';
import { readDirect, readPulled, type StoredMessage } from '../queues/stored-message.ts';
import type { Bindings } from '../topics/bindings.ts';

/** A message of a queue with its state. */
export interface MessageStatus {
  readonly stored: StoredMessage;
  readonly lane: Lane;
  readonly entry: Entry | undefined;
  readonly state: MessageState;
  readonly attempts: number;
  /** When it is due, or its lease ends. */
  readonly until: number;
}

/** A queue at one moment. */
export interface QueueView {
  readonly queue: KnownQueue;
  readonly ledger: Ledger;
  /** In the order of delivery: leased, ready, delayed, dead. */
  readonly all: readonly MessageStatus[];
  /** Messages that were sent, settled ones included. */
  readonly sent: number;
  /** All that the stream holds of it, settled ones included. */
  readonly stored: readonly StoredInLane[];
}

/** A message that the stream holds, settled or not. */
export interface StoredInLane {
  readonly stored: StoredMessage;
  readonly lane: Lane;
}

/** What the stream holds of a queue: a settled message has no status. */
export interface StoredEntry extends StoredInLane {
  readonly status: MessageStatus | undefined;
}

/** The times of one moment. */
export interface Moment {
  readonly now: number;
  readonly store: { readonly now: number; readonly dueNow: number; readonly dueLate: number };
}

/** `states`: without the contents of messages, which take much memory. */
type Extent = 'messages' | 'states';

const NO_CONTENT = completeMessage({ body: new Uint8Array(0) });

/** The server redelivers a message a little after the end of its lease or delay. Only then the message is ready. */
const SLACK_MS = 50;
const ORDER: readonly MessageState[] = ['leased', 'ready', 'delayed', 'dead'];

export class QueueViews {
  readonly #shared: QueueContext;
  readonly #bindings: Bindings;

  constructor(shared: QueueContext, bindings: Bindings) {
    this.#shared = shared;
    this.#bindings = bindings;
  }

  /** The queue of this name as it is now. Messages without attempts or time left are ended first. */
  async open(name: string): Promise<QueueView | undefined> {
    const queue = await this.#shared.records.read(name);
    return queue && this.view(queue);
  }

  async view(queue: KnownQueue, extent: Extent = 'messages'): Promise<QueueView> {
    const { gate } = this.#shared;
    while (!gate.isClosed) {
      try {
        return await this.#refresh(queue, extent);
      } catch (error) {
        if (!gate.isClosed) throw error;
      }
    }
    const view = await this.#read(queue, extent);
    return { ...view, all: view.all.filter((one) => !this.#isExpired(one)) };
  }

  async #refresh(queue: KnownQueue, extent: Extent): Promise<QueueView> {
    if (queue.record.bindings.length > 0) await this.#bindings.pump(queue);
    await this.#shared.ledgers.catchUp(queue.name);
    for (;;) {
      const view = await this.#read(queue, extent);
      if ((await this.#end(queue, view.all)).size === 0) return view;
    }
  }

  /**
   * All that the stream holds of a queue, page by page in the order in which it was stored. Messages without attempts or time
   * left are ended first.
   */
  async *scan(queue: KnownQueue): AsyncGenerator<readonly StoredEntry[], void> {
    await this.#pumpIfOpen(queue);
    const { ledgers, clock, gate } = this.#shared;
    if (!gate.isClosed) await ledgers.catchUp(queue.name);
    let from = 1;
    for (let isMore = true; isMore; ) {
      isMore = false;
      for await (const page of readAhead(this.#pages(queue, from, 'messages'))) {
        const ledger = await ledgers.read(queue.name, queue.record.inc);
        const now = clock.store.dueNow;
        const entries = page.map((each) => ({ ...each, status: statusOf(queue, ledger, each, now) }));
        const alive = entries.flatMap(({ status }) => status ?? []);
        const ended = await this.#endIfOpen(queue, alive);
        const isOver = ({ status }: StoredEntry): boolean =>
          status !== undefined && (ended.has(status.stored.seq) || this.#isExpired(status));
        yield entries.filter((entry) => !isOver(entry));
        from = Math.max(from, (page.at(-1)?.stored.seq ?? 0) + 1);
        // Their dead letters follow.
        isMore ||= ended.size > 0;
      }
    }
  }

  /** The events that its bindings have not copied yet belong to the queue. */
  async #pumpIfOpen(queue: KnownQueue): Promise<void> {
    const { gate } = this.#shared;
    try {
      if (!gate.isClosed && queue.record.bindings.length > 0) await this.#bindings.pump(queue);
    } catch (error) {
      if (!gate.isClosed) throw error;
    }
  }

  async #endIfOpen(queue: KnownQueue, all: readonly MessageStatus[]): Promise<ReadonlySet<number>> {
    const { gate } = this.#shared;
    try {
      if (!gate.isClosed) return await this.#end(queue, all);
    } catch (error) {
      if (!gate.isClosed) throw error;
    }
    return new Set();
  }

  /** Pages of what the stream holds of a queue from a sequence on, settled or not. */
  stored(queue: KnownQueue, from: number): AsyncGenerator<readonly StoredInLane[], void> {
    return this.#pages(queue, from, 'messages');
  }

  /** How many messages are ready, delayed or leased. */
  async lengthOf(queue: KnownQueue): Promise<number> {
    return (await this.#read(queue, 'states')).all.filter(({ state }) => state !== 'dead').length;
  }

  /** The counts since the queue was created. Messages are counted by the server. */
  async totals({ name, record }: KnownQueue): Promise<QueueInfo['totals']> {
    const { requests, ledgers, names } = this.#shared;
    await requests.reader.catchUp(names.queues);
    const { totals, floors } = await ledgers.read(name, record.inc);
    const lanes: readonly Lane[] = ['normal', ...record.lanes];
    const counts = lanes.map(async (lane) => {
      const above = { seq: (floors[lane] ?? 0) + 1, next_by_subj: names.lane(name, lane), batch: 1 };
      const { messages, pending } = await requests.reader.get(names.queues, above);
      return messages.length + pending;
    });
    const stored = (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
    return { ...totals, sent: totals.sent + stored };
  }

  info({ queue, ledger, all, sent }: QueueView): QueueInfo {
    const count = { ready: 0, delayed: 0, leased: 0, dead: 0 };
    let oldest = Number.POSITIVE_INFINITY;
    for (const { state, stored, entry } of all) {
      count[state] += 1;
      if (state !== 'ready') continue;
      const since = Math.max(stored.envelope.readyAt ?? stored.storedAt, entry?.dueAt ?? 0, entry?.lease?.end ?? 0);
      oldest = Math.min(oldest, since);
    }
    const { done, dead, expired } = ledger.totals;
    const oldestAgeMs = oldest === Number.POSITIVE_INFINITY ? 0 : Math.max(0, this.#shared.clock.store.dueNow - oldest);
    const totals = { sent, done, dead, expired };
    return { name: queue.name, settings: queue.record.settings, ...count, oldestAgeMs, totals };
  }

  /** What is left is counted from the moment `at`. */
  browsed(
    queue: KnownQueue,
    { stored, entry, state, attempts, until }: MessageStatus,
    at: Moment = this.#shared.clock,
  ): BrowsedMessage {
    const { message, envelope } = stored;
    const ttl = state === 'dead' ? undefined : envelope.expiresAt;
    return {
      message,
      state,
      attempts,
      delayLeftMs: state === 'delayed' ? leftOf(until - at.store.dueLate) : undefined,
      leaseLeftMs: state === 'leased' ? leftOf(until - at.now, queue.record.settings.leaseMs) : undefined,
      consumer: state === 'leased' ? entry?.lease?.by : undefined,
      ttlLeftMs: ttl === undefined ? undefined : leftOf(ttl - at.store.now, envelope.ttlMs),
      history: historyOf(stored, entry),
      dead: envelope.dead && { reason: envelope.dead.reason, at: envelope.dead.at },
    };
  }

  async #read(queue: KnownQueue, extent: Extent): Promise<QueueView> {
    const { ledgers, clock } = this.#shared;
    // The messages come first: those settled meanwhile are settled in the ledger.
    const stored: StoredInLane[] = [];
    for await (const page of this.#pages(queue, 1, extent)) for (const one of page) stored.push(one);
    const ledger = await ledgers.read(queue.name, queue.record.inc);
    const now = clock.store.dueNow;
    const all: MessageStatus[] = [];
    let sent = ledger.totals.sent;
    for (const each of stored) {
      if (each.lane !== 'dead' && each.stored.seq > (ledger.floors[each.lane] ?? 0)) sent += 1;
      const status = statusOf(queue, ledger, each, now);
      if (status !== undefined) all.push(status);
    }
    // Its workers may be unable to delete what is settled, or gone.
    if (all.length < stored.length) this.#shared.used.add(queue.name);
    return { queue, ledger, all: extent === 'states' ? all : all.sort(compare), sent, stored };
  }

  /** Pages of the messages of this life of a queue, from a sequence of the stream on. */
  async *#pages(queue: KnownQueue, from: number, extent: Extent): AsyncGenerator<readonly StoredInLane[], void> {
    const { requests, names } = this.#shared;
    const filter = names.lane(queue.name, '*');
    const read = (page: readonly Msg[]): StoredInLane[] =>
      page.flatMap((message) => this.#inLane(queue, extent, readDirect(message)));
    try {
      const normal = extent === 'states' ? await this.#normalOnly(queue, from, read) : undefined;
      if (normal !== undefined) yield normal;
      else for await (const page of requests.reader.scan(names.queues, filter, from)) yield read(page);
    } catch (error) {
      // A user who may read only some queues is denied the first page.
      if (!isDenied(error)) throw error;
      for await (const page of pullStored(this.#shared, filter, from)) {
        yield page.flatMap((message) =>
          this.#inLane(queue, extent, { ...readPulled(message), subject: message.subject }),
        );
      }
    }
  }

  /** A message of this life of a queue; nothing for one of an earlier life. */
  #inLane(queue: KnownQueue, extent: Extent, direct: StoredMessage & { readonly subject: string }): StoredInLane[] {
    const { subject, ...stored } = direct;
    const { inc } = stored.envelope;
    if (inc !== undefined && inc !== queue.record.inc) return [];
    const kept = extent === 'messages' ? stored : { ...stored, message: NO_CONTENT };
    return [{ stored: kept, lane: laneOf(subject, this.#shared.names) }];
  }

  /**
   * The messages of a queue that has some in its normal lane only; undefined if it may have others. The server finds the
   * messages of one subject at once. For a pattern it looks at the subjects of all queues: with ten thousand, for 1.3 ms.
   */
  async #normalOnly(
    { name, record }: KnownQueue,
    from: number,
    read: (page: readonly Msg[]) => StoredInLane[],
  ): Promise<StoredInLane[] | undefined> {
    if (record.lanes.length > 0) return undefined;
    const { requests, names } = this.#shared;
    const normal = names.lane(name, 'normal');
    const found: StoredInLane[] = [];
    let last = 0;
    for await (const page of requests.reader.scan(names.queues, normal, from)) {
      found.push(...read(page));
      last = Math.max(last, sequenceOf(page.at(-1)));
    }
    // A message that went to another lane meanwhile, or came from one, is seen.
    for await (const page of requests.reader.lastOf(names.queues, [names.lane(name, '*')])) {
      const isNew = (message: Msg): boolean =>
        message.headers?.get('Nats-Subject') !== normal || sequenceOf(message) > last;
      if (page.some(isNew)) return undefined;
    }
    return found;
  }

  /** Ends messages without attempts or time left. Resolves with their sequences. */
  async #end(queue: KnownQueue, all: readonly MessageStatus[]): Promise<Set<number>> {
    const { maxAttempts } = queue.record.settings;
    const isUsedUp = ({ state, stored, attempts }: MessageStatus): boolean =>
      state === 'ready' && attempts >= (stored.envelope.maxAttempts ?? maxAttempts);
    if (all.some((one) => this.#isExpired(one))) await this.#shared.gate.read();
    const ended = new Set<number>();
    for (const one of all) {
      const isExpired = this.#isExpired(one);
      if (!isExpired && !isUsedUp(one)) continue;
      const stored = isExpired ? one.stored : await this.#complete(queue, one);
      if (stored !== undefined) await endMessage(this.#shared, queue, { ...one, stored }, isExpired);
      ended.add(one.stored.seq);
    }
    return ended;
  }

  /** A message with its content. */
  async #complete({ name }: KnownQueue, { stored, lane }: MessageStatus): Promise<StoredMessage | undefined> {
    if (stored.message !== NO_CONTENT) return stored;
    return readAt(this.#shared, { queue: name, lane, seq: stored.seq });
  }

  #isExpired({ state, stored }: MessageStatus): boolean {
    if (state === 'dead' || state === 'leased') return false;
    return isOver(stored, this.#shared.clock);
  }
}

/** The status of a message. Undefined if it is settled. */
export function statusOf(
  queue: KnownQueue,
  ledger: Ledger,
  { stored, lane }: { stored: StoredMessage; lane: Lane },
  now: number,
): MessageStatus | undefined {
  const { envelope, seq } = stored;
  if (lane === 'dead') {
    if ((envelope.dead?.at ?? 0) + queue.record.settings.deadTtlMs <= now) return undefined;
    return { stored, lane, entry: undefined, state: 'dead', attempts: envelope.past?.attempts ?? 0, until: 0 };
  }
  if (ledger.isSettled(lane, seq)) return undefined;
  const entry = ledger.entries.get(seq);
  const attempts = attemptsOf(stored, entry);
  const base = { stored, lane, entry, attempts };
  if (entry !== undefined && isLeased(entry, now)) return { ...base, state: 'leased', until: entry.lease?.end ?? 0 };
  const due = dueAtOf(stored, entry);
  return due + SLACK_MS > now ? { ...base, state: 'delayed', until: due } : { ...base, state: 'ready', until: 0 };
}

/** Whether a lease of the message has not ended. */
export function isLeased({ lease }: Entry, now: number): boolean {
  return lease !== undefined && lease.end + SLACK_MS > now;
}

/** The rank of a message on a page: by state, then in the order of delivery. */
export function rankOf({ state, lane, stored, until }: MessageStatus): readonly [number, number, number] {
  const level = (LEVELS as readonly string[]).indexOf(lane);
  const priority = lane === 'delayed' ? 5 - stored.message.priority : level < 0 ? 1 : level;
  const first = state === 'ready' ? priority : state === 'dead' ? 0 : until;
  return [ORDER.indexOf(state), first, stored.seq];
}

export function compareRanks(one: readonly number[], other: readonly number[]): number {
  for (const [index, each] of one.entries()) if (each !== other[index]) return each - (other[index] ?? 0);
  return 0;
}

export function compare(one: MessageStatus, other: MessageStatus): number {
  return compareRanks(rankOf(one), rankOf(other));
}
