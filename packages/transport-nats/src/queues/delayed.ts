/** Messages that are not due yet: drawn once, put off for the rest of their time, and moved to their level when it is over. */

import type { Msg } from '@nats-io/transport-node';
import type { Lane, LEVELS } from '../connection/names.ts';
import type { Puller } from '../connection/puller.ts';
import { historyOf } from './burial.ts';
import { endMessage } from './claim.ts';
import type { QueueGround } from './ground.ts';
import type { Entry } from './ledger.ts';
import type { KnownQueue } from './queue-record.ts';
import { encode, readDelivery, readStored, type StoredMessage } from './stored-message.ts';

const NS = 1_000_000;
/** How many delayed messages are drawn in one go. */
export const DRAW = 256;

/** The level of a priority: the ten fold into three. */
export function levelOf(priority: number): (typeof LEVELS)[number] {
  return priority > 4 ? 'high' : priority < 4 ? 'low' : 'normal';
}

/** Draws from the lane `delayed` of queues. */
export class Delayed {
  readonly #ground: QueueGround;
  readonly #puller: Puller;

  constructor(ground: QueueGround, puller: Puller) {
    this.#ground = ground;
    this.#puller = puller;
  }

  /** Moves what is due by now; all of it. */
  async draw(queue: KnownQueue): Promise<void> {
    if (!queue.record.lanes.includes('delayed')) return;
    const consumer = await this.#ground.consumers.ensure(queue, 'delayed');
    for (;;) {
      const { messages, lost } = await this.#puller.pull(consumer.name, DRAW);
      if (lost) this.#ground.consumers.forget(consumer.name);
      await this.take(queue, messages);
      if (messages.length < DRAW) return;
    }
  }

  /** Moves those that are due, in the order in which they came due, and puts off the others. */
  async take(queue: KnownQueue, messages: readonly Msg[]): Promise<void> {
    const { wire, clock, ledgers } = this.#ground;
    const all = messages.map((message) => {
      const { seq, storedAt, deliveries } = readDelivery(message);
      return { message, deliveries, stored: readStored(message, seq, storedAt) };
    });
    const due: { stored: StoredMessage; reply: string }[] = [];
    for (const { message, stored } of all) {
      const { dueAt = 0, expiresAt = Number.POSITIVE_INFINITY, inc } = stored.envelope;
      const waitMs = Math.min(dueAt, expiresAt) - clock.now;
      if (inc !== undefined && inc !== queue.record.inc) wire.tell(message.reply ?? '', '+ACK');
      else if (waitMs > 0) wire.tell(message.reply ?? '', `-NAK {"delay":${Math.ceil(waitMs * NS)}}`);
      else due.push({ stored, reply: message.reply ?? '' });
    }
    if (due.length === 0) return;
    const ledger = await ledgers.read(queue.name, queue.record.inc);
    due.sort(({ stored: one }, { stored: other }) => dueAtOf(one) - dueAtOf(other) || one.seq - other.seq);
    await Promise.all(due.map(({ stored }) => this.#move(queue, stored, ledger.entries.get(stored.seq))));
    await this.#settle(queue, due);
  }

  async #move(queue: KnownQueue, stored: StoredMessage, entry: Entry | undefined): Promise<void> {
    const { expiresAt = Number.POSITIVE_INFINITY } = stored.envelope;
    if (entry?.isSettled) return;
    if (expiresAt <= this.#ground.clock.now)
      return endMessage(this.#ground, queue, { stored, entry, lane: 'delayed' }, undefined);
    await place(this.#ground, queue, stored, entry, { dueAt: undefined, readyAt: stored.envelope.dueAt });
  }

  async #settle(queue: KnownQueue, moved: readonly { stored: StoredMessage; reply: string }[]): Promise<void> {
    const { ledgers, wire } = this.#ground;
    const other = moved.map(({ stored: { seq } }) => ({ did: 'move', lane: 'delayed', seq }) as const);
    await ledgers.append(queue.name, { k: 's', inc: queue.record.inc, acked: {}, other });
    for (const { reply } of moved) wire.tell(reply, '+ACK');
  }
}

function dueAtOf({ envelope }: StoredMessage): number {
  return envelope.dueAt ?? 0;
}

/** Publishes a message of a queue once more, to the lane where it belongs by now. Done twice it is there once. */
export async function place(
  { wire, names, records }: QueueGround,
  queue: KnownQueue,
  stored: StoredMessage,
  entry: Entry | undefined,
  times: { readonly dueAt: number | undefined; readonly readyAt?: number | undefined },
): Promise<void> {
  const { message, envelope, seq } = stored;
  const attempts = (envelope.past?.attempts ?? 0) + (entry?.attempts ?? 0);
  const past = attempts > 0 ? { attempts, history: historyOf(stored, entry) } : envelope.past;
  const lane: Lane = times.dueAt === undefined ? levelOf(message.priority) : 'delayed';
  const { inc } = (await records.useLane(queue, lane)).record;
  const next = { ...envelope, inc, past, ...times };
  const id = `${inc}.m${seq}.${Math.round(times.dueAt ?? 0)}`;
  const { data, headers } = encode(message, next, id);
  await wire.publish(names.lane(queue.name, lane), data, headers);
}
