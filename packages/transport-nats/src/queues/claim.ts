/** Claims ready messages: pulls them from the consumers, and leases those that may be delivered. */

import type { ReceiveRequest } from '@busbar/api/driver';
import type { Delivery } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import { type Lane, LEVELS } from '../connection/names.ts';
import type { Puller } from '../connection/puller.ts';
import type { ServerClock } from '../connection/server-clock.ts';
import type { Consumer } from './consumers.ts';
import { attemptsOf, dueAtOf, endedHistory, storeDeadLetter } from './dead-letters.ts';
import { type Candidate, Leaser } from './lease.ts';
import type { Entry, Ledger } from './ledger.ts';
import type { QueueContext } from './queue-context.ts';
import type { KnownQueue } from './queue-record.ts';
import { nakBody } from './receipt.ts';
import { readPulled, type StoredMessage } from './stored-message.ts';

/** A message that a consumer delivered. */
export interface PulledMessage {
  readonly message: Msg;
  readonly stored: ReturnType<typeof readPulled>;
  /** When its lease began at the earliest, on the monotonic clock of this process. */
  readonly at: number;
  readonly consumer: Consumer;
}

const MAX_CAUGHT_UP = 1_000;
const MAX_AHEAD = 256;

export class Claimer {
  readonly #shared: QueueContext;
  readonly #puller: Puller;
  /** Consumers may have lost their state of deliveries up to this sequence: a server was away. */
  #uncertainUpTo = 0;
  /** The last message of this process that the consumers of a queue know of, in a cluster. */
  readonly #caughtUp = new Map<string, number>();
  readonly #leaser: Leaser;

  constructor(shared: QueueContext, puller: Puller) {
    this.#shared = shared;
    this.#puller = puller;
    this.#leaser = new Leaser(shared);
    shared.requests.connection.onBack(() => this.#distrust());
  }

  /** Forgets a consumer that does not answer, and the record of its queue. */
  forget(queue: KnownQueue, consumer: string): void {
    this.#shared.consumers.forget(consumer);
    this.#shared.records.forget(queue.name);
    this.#distrust();
  }

  /** Up to `max` messages that are ready, highest level first. `lost`: a consumer was not there. */
  async claim(
    queue: KnownQueue,
    { max, waitMs, consumer: by }: ReceiveRequest,
    signal: AbortSignal,
  ): Promise<{ deliveries: Delivery[]; lost: boolean }> {
    const deliveries: Delivery[] = [];
    await this.#awaitOwnSends(queue);
    for (let ended = 0; ; ) {
      const missing = max - deliveries.length;
      // Behind many that were purged or cancelled it looks farther each time, and returns what is too much.
      const batch = Math.max(missing, Math.min(2 * ended, MAX_AHEAD));
      let { pulled, lost } = await this.#pullAll(queue, batch, false);
      // The server confirms a send before each consumer knows of it. A receive that waits learns of it by its wait.
      let isEmpty = waitMs === 0 && pulled.length + deliveries.length === 0 && !lost;
      while (isEmpty) {
        ({ pulled, lost } = await this.#pullAll(queue, missing, true));
        isEmpty = pulled.length === 0 && !lost && (await this.#wasBehind(queue));
      }
      if (signal.aborted || !this.#shared.gate.isOpen || this.isPaused(queue)) {
        this.giveBack(pulled);
        return { deliveries, lost };
      }
      const accepted = await this.accept(queue, pulled, by, { max: missing });
      deliveries.push(...accepted);
      // Behind those that had expired there may be others.
      const isMore = accepted.length < pulled.length && deliveries.length < max;
      if (!isMore || lost) return { deliveries, lost };
      ended = accepted.length === 0 ? pulled.length : 0;
    }
  }

  /** In a cluster the consumer of a high level may learn of a message after that of a lower one: the order would be wrong. */
  async #awaitOwnSends(queue: KnownQueue): Promise<void> {
    const { requests, names } = this.#shared;
    if (!requests.connection.isClustered || groupsOf(queue).length === 1) return;
    const sent = requests.confirmed.get(names.queues) ?? 0;
    if ((this.#caughtUp.get(queue.name) ?? 0) >= sent) return;
    await this.#wasBehind(queue);
    if (this.#caughtUp.size >= MAX_CAUGHT_UP) this.#caughtUp.clear();
    this.#caughtUp.set(queue.name, sent);
  }

  /** Whether the queue was paused since its record was read. */
  isPaused(queue: KnownQueue): boolean {
    return (this.#shared.records.peek(queue.name) ?? queue).record.settings.paused;
  }

  /** Whether there may be messages of which a consumer did not know. */
  async #wasBehind(queue: KnownQueue): Promise<boolean> {
    const { requests, names, consumers } = this.#shared;
    const catchUp = (lane: Lane): Promise<boolean> =>
      requests.reader.catchUpConsumer(names.queues, consumers.nameOf(queue, lane), names.lane(queue.name, lane));
    return (await Promise.all(groupsOf(queue).flat().map(catchUp))).includes(true);
  }

  async #pullAll(
    queue: KnownQueue,
    max: number,
    isBounded: boolean,
  ): Promise<{ pulled: PulledMessage[]; lost: boolean }> {
    const all: PulledMessage[] = [];
    let lost = false;
    const groups = groupsOf(queue);
    // A consumer that is created between two pulls takes time from the leases of the first one.
    if (groups.length > 1) await Promise.all(groups.flat().map((lane) => this.#shared.consumers.ensure(queue, lane)));
    for (const lanes of groups) {
      const missing = max - all.length;
      if (missing <= 0) break;
      const pulled = await Promise.all(
        lanes.slice(0, missing).map((lane) => this.#pullLane(queue, lane, missing, isBounded)),
      );
      lost ||= pulled.some((each) => each.lost);
      all.push(...pulled.flatMap((each) => each.pulled).sort(bySequence));
    }
    return { pulled: all, lost };
  }

  /**
   * Leases pulled messages, up to `max`. Those that may not be delivered are settled or delayed. `known`: the ledger, if it was
   * just read.
   */
  async accept(
    queue: KnownQueue,
    pulled: readonly PulledMessage[],
    by: string | undefined,
    { known, max = pulled.length }: { readonly known?: Ledger | undefined; readonly max?: number } = {},
  ): Promise<Delivery[]> {
    if (pulled.length === 0) return [];
    const { clock, gate } = this.#shared;
    if (pulled.some(({ stored }) => isOver(stored, clock))) await gate.read();
    const { record } = this.#shared.records.peek(queue.name) ?? queue;
    const uncertainUpTo = Math.max(record.uncertainUpTo, await this.#readUncertain());
    const mustAsk =
      record.checked ||
      record.direct ||
      record.askUntil > clock.now ||
      pulled.some(({ stored: { deliveries, seq } }) => deliveries > 1 || seq <= uncertainUpTo);
    const read = (): Promise<Ledger> => this.#shared.ledgers.read(queue.name, queue.record.inc);
    const ledger = mustAsk ? (known ?? (await read())) : undefined;
    const candidates: Candidate[] = [];
    const endings: Promise<void>[] = [];
    for (const each of pulled) {
      const checked = this.#check(queue, each, ledger);
      if (checked instanceof Promise) endings.push(checked);
      else if (checked !== undefined && candidates.length < max) candidates.push(checked);
      else if (checked !== undefined) this.giveBack([each]);
    }
    await Promise.all(endings);
    return candidates.length === 0 ? [] : this.#leaser.lease(queue, candidates, by, mustAsk);
  }

  /** Returns pulled messages that no receive takes. The ledger has no record of them. */
  giveBack(pulled: readonly PulledMessage[]): void {
    for (const { message } of pulled) this.#shared.requests.send(message.reply ?? '', '-NAK');
  }

  /** `isBounded`: waits up to 10 ms for a message. */
  async #pullLane(
    queue: KnownQueue,
    lane: Lane,
    batch: number,
    isBounded: boolean,
  ): Promise<{ pulled: PulledMessage[]; lost: boolean }> {
    const consumer = await this.#shared.consumers.ensure(queue, lane);
    if (consumer === undefined) return { pulled: [], lost: true };
    const isPartition = lane.startsWith('k');
    const at = performance.now();
    const { messages, lost } = await this.#puller.pull(
      consumer.name,
      isPartition ? 1 : batch,
      isBounded || isPartition,
    );
    if (lost) this.forget(queue, consumer.name);
    return { pulled: messages.map((message) => ({ message, stored: readPulled(message), at, consumer })), lost };
  }

  /** The sequence up to which consumers may deliver settled messages again. */
  async #readUncertain(): Promise<number> {
    if (this.#uncertainUpTo !== Number.POSITIVE_INFINITY) return this.#uncertainUpTo;
    const { requests, names } = this.#shared;
    const { lostAt } = this.#leaser;
    const last = await requests.reader.lastSequence(names.queues);
    if (lostAt === this.#leaser.lostAt) this.#uncertainUpTo = last;
    return this.#uncertainUpTo;
  }

  #distrust(): void {
    this.#uncertainUpTo = Number.POSITIVE_INFINITY;
    this.#leaser.distrust();
  }

  /** A message that may be delivered; undefined, or a promise, if it ends here. */
  #check(
    queue: KnownQueue,
    { message, stored, at, consumer }: PulledMessage,
    ledger: Ledger | undefined,
  ): Candidate | Promise<void> | undefined {
    const { requests, clock } = this.#shared;
    const { seq, cseq } = stored;
    const reply = message.reply ?? '';
    const entry = ledger?.entries.get(seq);
    const { inc, expiresAt, maxAttempts } = stored.envelope;
    const isForeign = inc !== undefined && inc !== queue.record.inc;
    if (isForeign || ledger?.isSettled(consumer.lane, seq)) {
      requests.send(reply, '+ACK');
      return undefined;
    }
    // A restarted consumer redelivers leased messages too early, or as if for the first time.
    const waitMs = Math.max(dueAtOf(stored, entry), entry?.lease?.end ?? 0) - clock.now;
    const leftMs = (expiresAt ?? Number.POSITIVE_INFINITY) - clock.store.now;
    if (waitMs > 0 && leftMs > 0) {
      requests.send(reply, nakBody(Math.min(waitMs, leftMs)));
      return undefined;
    }
    const isExpired = leftMs <= 0;
    const attempts = attemptsOf(stored, entry);
    if (!isExpired && attempts < (maxAttempts ?? queue.record.settings.maxAttempts)) {
      return { at, stored, cseq, consumer, attempt: attempts + 1 };
    }
    const ended = endMessage(this.#shared, queue, { stored, entry, lane: consumer.lane }, isExpired);
    return ended.then(() => requests.send(reply, '+ACK'));
  }
}

/** Whether the time to live of a message has ended. */
export function isOver({ envelope }: Pick<StoredMessage, 'envelope'>, { store }: ServerClock): boolean {
  return envelope.expiresAt !== undefined && envelope.expiresAt <= store.now;
}

/** Ends a message without a lease: it has expired, or is dead because its attempts are used up. */
export async function endMessage(
  shared: QueueContext,
  queue: KnownQueue,
  { stored, entry, lane }: { stored: StoredMessage; entry: Entry | undefined; lane: Lane },
  isExpired: boolean,
): Promise<void> {
  const lease = entry?.lease;
  if (!isExpired) {
    const attempts = attemptsOf(stored, entry);
    const history = endedHistory(stored, entry);
    const reason = lease === undefined ? 'attempts used up' : 'the lease of the last attempt ended';
    await storeDeadLetter(shared, queue, stored, { attempts, history, reason });
  }
  const outcome = lease === undefined ? undefined : 'expired';
  const ledgerOutcome = { did: isExpired ? 'expired' : 'dead', lane, seq: stored.seq, r: lease?.r, outcome } as const;
  await shared.ledgers.append(queue.name, { k: 's', inc: queue.record.inc, acked: {}, other: [ledgerOutcome] });
}

/** The lanes to receive from: each level by itself, highest first; partitions of ordering keys with the normal one. */
export function groupsOf({ record }: KnownQueue): Lane[][] {
  const partitions = record.lanes.filter((lane) => lane.startsWith('k'));
  const levels = LEVELS.filter((level) => level === 'normal' || record.lanes.includes(level));
  const groups: Lane[][] = levels.map((level) => [level]);
  if (partitions.length > 0) groups.splice(levels.indexOf('normal'), 0, shuffle(partitions));
  return groups;
}

/** The order of the sends. Redelivered messages are out of it anyway. */
function bySequence(one: PulledMessage, other: PulledMessage): number {
  if (one.consumer.lane === other.consumer.lane) return 0;
  return one.stored.seq - other.stored.seq;
}

/** Rotates at random, so that no partition is always the last one. */
function shuffle<T>(all: readonly T[]): T[] {
  const from = Math.floor(Math.random() * all.length);
  return [...all.slice(from), ...all.slice(0, from)];
}
