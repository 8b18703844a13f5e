/** Sends messages: a publish each, which the server answers once it is stored. */

import { createHash } from 'node:crypto';
import { type CallContext, type PreparedMessage, queueFrozen, queueFull, unknownQueue } from '@busbar/api/driver';
import type { SendResult } from '@busbar/api/transport';
import type { Lane } from '../connection/names.ts';
import type { ServerClock } from '../connection/server-clock.ts';
import { DEDUPE_MS, streamInfo } from '../connection/streams.ts';
import { toDriverError } from '../errors.ts';
import { hasIdRecords, knownIds, messageId, NONE } from './dedupe.ts';
import { levelOf } from './delayed.ts';
import { NotedSends } from './noted-sends.ts';
import type { QueueContext } from './queue-context.ts';
import type { KnownQueue } from './queue-record.ts';
import { type Envelope, encode } from './stored-message.ts';

const PARTITIONS = 32;
const LENGTH_MS = 1_000;
const MUCH_ROOM = 100_000;

/** How many messages a queue had, and how many were sent from here since then. */
interface Length {
  readonly at: number;
  readonly inc: string;
  /** At least as many as it holds. */
  stored: number;
}

/** Copies events into a queue. */
interface Feed {
  pump(queue: KnownQueue): Promise<void>;
}

export class Sender {
  readonly #shared: QueueContext;
  readonly #bindings: Feed;
  readonly #noted: NotedSends;
  readonly #lengthOf: (queue: KnownQueue) => Promise<number>;
  readonly #lengths = new Map<string, Length>();
  /** Of each queue the last send that is being begun. */
  readonly #turns = new Map<string, Promise<void>>();

  /** `lengthOf`: how many messages of a queue are ready, delayed or leased, exactly. */
  constructor(shared: QueueContext, bindings: Feed, lengthOf: (queue: KnownQueue) => Promise<number>) {
    this.#shared = shared;
    this.#bindings = bindings;
    this.#noted = new NotedSends(shared);
    this.#lengthOf = lengthOf;
  }

  /** Sends to one queue begin one after the other, so that they keep the order of the calls; their answers may cross. */
  async send(
    name: string,
    messages: readonly PreparedMessage[],
    create: boolean,
    context: CallContext,
  ): Promise<SendResult[]> {
    const before = this.#turns.get(name);
    const begun = this.#begin(before, name, messages, create, context);
    const turn = begun.then(ignore, ignore);
    this.#turns.set(name, turn);
    void turn.then(() => {
      if (this.#turns.get(name) === turn) this.#turns.delete(name);
    });
    return Promise.all((await begun).results);
  }

  async #begin(
    before: Promise<void> | undefined,
    name: string,
    messages: readonly PreparedMessage[],
    create: boolean,
    context: CallContext,
  ): Promise<{ readonly results: (SendResult | Promise<SendResult>)[] }> {
    if (before !== undefined) await before;
    const { records } = this.#shared;
    let queue = create ? await records.ensure(name, context) : await records.fresh(name, context);
    if (queue === undefined) throw unknownQueue(name);
    if (queue.record.settings.frozen) throw queueFrozen(name);
    records.touch(queue);
    if (messages.some(({ ttlMs }) => ttlMs !== undefined)) this.#shared.expiring.add(name);
    for (const lane of new Set(messages.map(laneFor))) queue = await records.useLane(queue, lane, context);
    return { results: await this.#store(queue, messages, context) };
  }

  /** Waits for no answer between two messages, so that those of one call keep their order and share round trips. */
  async #store(
    queue: KnownQueue,
    messages: readonly PreparedMessage[],
    context: CallContext,
  ): Promise<(SendResult | Promise<SendResult>)[]> {
    const { clock } = this.#shared;
    const isNoted = hasIdRecords(queue, clock.store.now);
    const room = await this.#room(queue, messages.length);
    const ids = messages.map(({ id }) => id);
    // Duplicates need no room.
    const { taken } = isNoted && room < ids.length ? await knownIds(this.#shared, queue, ids, context) : NONE;
    const seen = new Set<string>(taken);
    const { name, record } = queue;
    let stored = 0;
    return messages.map((message): SendResult | Promise<SendResult> => {
      const { id } = message;
      if (seen.has(id)) return { id, status: 'duplicate' };
      stored += 1;
      if (stored > room) return { id, status: 'failed', error: queueFull(name, record.settings.maxLength) };
      if (isNoted) seen.add(id);
      return this.#publish(queue, message, isNoted, context);
    });
  }

  async #publish(
    queue: KnownQueue,
    message: PreparedMessage,
    isNoted: boolean,
    context: CallContext,
  ): Promise<SendResult> {
    const { requests, names, clock } = this.#shared;
    const { id } = message;
    const { inc, settings } = queue.record;
    const subject = names.lane(queue.name, laneFor(message));
    const encoded = encode(message, envelopeOf(message, inc, clock), messageId(inc, id));
    try {
      if (isNoted) {
        const ms = Math.max(settings.dedupeMs, DEDUPE_MS);
        const isNew = await this.#noted.send(queue, { ...encoded, subject, id, ms }, context);
        return { id, status: isNew ? 'stored' : 'duplicate' };
      }
      const { duplicate, isRepeated } = await requests.publish(subject, encoded.data, encoded.headers, context);
      // The first sending of this very call may have been stored, its answer lost.
      return { id, status: duplicate && !isRepeated ? 'duplicate' : 'stored' };
    } catch (error) {
      const failure = toDriverError(error);
      return { id, status: failure.outcome, error: failure };
    }
  }

  /** How many of `count` messages fit. Events enter a queue unseen: a bound one is looked at for each send. */
  async #room(queue: KnownQueue, count: number): Promise<number> {
    const { settings, bindings } = queue.record;
    if (bindings.length > 0) {
      await this.#bindings.pump(queue);
      this.#lengths.delete(queue.name);
    }
    const { maxLength } = settings;
    const known = this.#lengths.get(queue.name);
    if (known !== undefined && known.inc === queue.record.inc && known.at + LENGTH_MS > performance.now()) {
      known.stored += count;
      if (isFar(known.stored, maxLength)) return count;
    }
    const stored = count + (await this.#estimate(queue));
    if (this.#lengths.size > MAX_LENGTHS) this.#lengths.clear();
    this.#lengths.set(queue.name, { at: performance.now(), inc: queue.record.inc, stored });
    return stored <= maxLength ? count : Math.max(0, maxLength - (await this.#lengthOf(queue)));
  }

  /** How many messages a queue holds at most. Settled ones stay stored for dedupe: near the limit its consumers say how many are not. */
  async #estimate(queue: KnownQueue): Promise<number> {
    const { requests, names, clock, consumers } = this.#shared;
    const { name, record } = queue;
    const { state } = await streamInfo(requests, clock, names.queues, names.lane(name, '*'));
    const lanes: Lane[] = ['normal', ...record.lanes];
    const counts = lanes.map((lane) => state.subjects?.[names.lane(name, lane)] ?? 0);
    const stored = sum(counts);
    if (isFar(stored, record.settings.maxLength)) return stored;
    const progress = await Promise.all(lanes.map((lane) => consumers.progress(queue, lane)));
    return sum(counts.map((count, index) => Math.min(count, progress[index]?.unsettled ?? count)));
  }
}

/** Whether a queue has room for the sends of a second. */
function isFar(stored: number, maxLength: number): boolean {
  return maxLength - stored >= Math.min(maxLength / 2, MUCH_ROOM);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

const MAX_LENGTHS = 10_000;

function ignore(): void {}

/** The lane that a message is sent to. One with an ordering key waits for its time in its partition, so that it blocks its key. */
export function laneFor({
  orderingKey,
  delayMs,
  priority,
}: Pick<PreparedMessage, 'orderingKey' | 'delayMs' | 'priority'>): Lane {
  if (orderingKey !== undefined) return `k${partitionOf(orderingKey)}`;
  return delayMs > 0 ? 'delayed' : levelOf(priority);
}

/** When a message is due, by the clock of the server, and when it expires, by that of the namespace. */
export function envelopeOf(
  { delayMs, ttlMs, maxAttempts }: PreparedMessage,
  inc: string,
  clock: ServerClock,
): Envelope {
  return {
    inc,
    ...(delayMs > 0 && { dueAt: Math.ceil(clock.late + delayMs) }),
    ...(ttlMs !== undefined && { expiresAt: Math.ceil(clock.store.late + ttlMs), ttlMs }),
    ...(maxAttempts !== undefined && { maxAttempts }),
  };
}

function partitionOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt32BE(0) % PARTITIONS;
}
