/** A queue at one moment: its messages, read beside its ledger. */

import type { BrowsedMessage, MessageState, QueueInfo } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import { type Lane, LEVELS } from '../connection/names.ts';
import { isDenied } from '../errors.ts';
import { endMessage, isOver, leftOf } from '../queues/claim.ts';
import { attemptsOf, dueAtOf, historyOf, laneOf } from '../queues/dead-letters.ts';
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
  readonly stored: readonly { readonly stored: StoredMessage; readonly lane: Lane }[];
}

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

  async view(queue: KnownQueue): Promise<QueueView> {
    const { gate } = this.#shared;
    while (!gate.isClosed) {
      try {
        return await this.#refresh(queue);
      } catch (error) {
        if (!gate.isClosed) throw error;
      }
    }
    const view = await this.#read(queue);
    return { ...view, all: view.all.filter((one) => !this.#isExpired(one)) };
  }

  async #refresh(queue: KnownQueue): Promise<QueueView> {
    if (queue.record.bindings.length > 0) await this.#bindings.pump(queue);
    for (;;) {
      const view = await this.#read(queue);
      if ((await this.#end(view)) === 0) return view;
    }
  }

  /** How many messages are ready, delayed or leased. */
  async lengthOf(queue: KnownQueue): Promise<number> {
    return (await this.#read(queue)).all.filter(({ state }) => state !== 'dead').length;
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

  browsed(queue: KnownQueue, { stored, entry, state, attempts, until }: MessageStatus): BrowsedMessage {
    const { message, envelope } = stored;
    const { clock } = this.#shared;
    const ttl = state === 'dead' ? undefined : envelope.expiresAt;
    return {
      message,
      state,
      attempts,
      delayLeftMs: state === 'delayed' ? leftOf(until - clock.store.dueLate) : undefined,
      leaseLeftMs: state === 'leased' ? leftOf(until - clock.now, queue.record.settings.leaseMs) : undefined,
      consumer: state === 'leased' ? entry?.lease?.by : undefined,
      ttlLeftMs: ttl === undefined ? undefined : leftOf(ttl - clock.store.now, envelope.ttlMs),
      history: historyOf(stored, entry),
      dead: envelope.dead && { reason: envelope.dead.reason, at: envelope.dead.at },
    };
  }

  async #read(queue: KnownQueue): Promise<QueueView> {
    const { ledgers, clock } = this.#shared;
    // The messages come first: those settled meanwhile are settled in the ledger.
    const stored = await this.#messages(queue);
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
    return { queue, ledger, all: all.sort(compare), sent, stored };
  }

  async #messages(queue: KnownQueue): Promise<{ stored: StoredMessage; lane: Lane }[]> {
    const { requests, names } = this.#shared;
    const filter = names.lane(queue.name, '*');
    try {
      return await this.#collect(queue, requests.reader.scan(names.queues, filter), readDirect);
    } catch (error) {
      if (!isDenied(error)) throw error;
      return this.#collect(queue, pullStored(this.#shared, filter, 1), (message) => ({
        ...readPulled(message),
        subject: message.subject,
      }));
    }
  }

  async #collect(
    queue: KnownQueue,
    pages: AsyncIterable<readonly Msg[]>,
    read: (message: Msg) => StoredMessage & { readonly subject: string },
  ): Promise<{ stored: StoredMessage; lane: Lane }[]> {
    const all: { stored: StoredMessage; lane: Lane }[] = [];
    for await (const page of pages) {
      for (const message of page) {
        const { subject, ...stored } = read(message);
        const { inc } = stored.envelope;
        if (inc === undefined || inc === queue.record.inc)
          all.push({ stored, lane: laneOf(subject, this.#shared.names) });
      }
    }
    return all;
  }

  /** Ends messages without attempts or time left. Resolves with their number. */
  async #end({ queue, all }: QueueView): Promise<number> {
    const { maxAttempts } = queue.record.settings;
    const isUsedUp = ({ state, stored, attempts }: MessageStatus): boolean =>
      state === 'ready' && attempts >= (stored.envelope.maxAttempts ?? maxAttempts);
    if (all.some((one) => this.#isExpired(one))) await this.#shared.gate.read();
    let ended = 0;
    for (const one of all) {
      const isExpired = this.#isExpired(one);
      if (!isExpired && !isUsedUp(one)) continue;
      await endMessage(this.#shared, queue, one, isExpired);
      ended += 1;
    }
    return ended;
  }

  #isExpired({ state, stored }: MessageStatus): boolean {
    if (state === 'dead' || state === 'leased') return false;
    return isOver(stored, this.#shared.clock);
  }
}

/** The status of a message. Undefined if it is settled. */
function statusOf(
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
  const end = entry?.lease?.end ?? 0;
  if (end + SLACK_MS > now) return { ...base, state: 'leased', until: end };
  const due = dueAtOf(stored, entry);
  return due + SLACK_MS > now ? { ...base, state: 'delayed', until: due } : { ...base, state: 'ready', until: 0 };
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

function compare(one: MessageStatus, other: MessageStatus): number {
  return compareRanks(rankOf(one), rankOf(other));
}
