/** Delayed messages: pulled once, nak'ed with the remaining delay, and moved to their level when they are due. */

import type { Msg } from '@nats-io/transport-node';
import type { Lane, LEVELS } from '../connection/names.ts';
import type { Puller } from '../connection/puller.ts';
import { endMessage, isOver } from './claim.ts';
import { attemptsOf, endedHistory } from './dead-letters.ts';
import type { Entry, Ledger } from './ledger.ts';
import type { QueueContext } from './queue-context.ts';
import type { KnownQueue } from './queue-record.ts';
import { nakBody } from './receipt.ts';
import { encode, readPulled, type StoredMessage } from './stored-message.ts';

/** How many delayed messages one pull takes. */
export const BATCH = 256;

/** The level of a priority: ten priorities map to three levels. */
export function levelOf(priority: number): (typeof LEVELS)[number] {
  return priority > 4 ? 'high' : priority < 4 ? 'low' : 'normal';
}

/** Pulls from the lane `delayed` of queues. */
export class Delayed {
  readonly #shared: QueueContext;
  readonly #puller: Puller;

  constructor(shared: QueueContext, puller: Puller) {
    this.#shared = shared;
    this.#puller = puller;
  }

  /** Moves all messages that are due. */
  async moveDue(queue: KnownQueue): Promise<void> {
    if (!queue.record.lanes.includes('delayed')) return;
    const consumer = await this.#shared.consumers.ensure(queue, 'delayed');
    for (; consumer !== undefined; ) {
      const { messages, lost } = await this.#puller.pull(consumer.name, BATCH);
      if (lost) this.#shared.consumers.forget(consumer.name);
      await this.take(queue, messages);
      if (messages.length < BATCH) return;
    }
  }

  /** Moves those that are due, in the order in which they came due, and puts off the others. */
  async take(queue: KnownQueue, messages: readonly Msg[]): Promise<void> {
    const { requests, clock, ledgers, gate } = this.#shared;
    const due: { stored: StoredMessage; reply: string }[] = [];
    const pulled = messages.map((message) => ({ message, stored: readPulled(message) }));
    if (pulled.some(({ stored }) => isOver(stored, clock))) await gate.read();
    for (const { message, stored } of pulled) {
      const { dueAt = 0, expiresAt = Number.POSITIVE_INFINITY, inc } = stored.envelope;
      const waitMs = Math.min(dueAt - clock.now, expiresAt - clock.store.now);
      if (inc !== undefined && inc !== queue.record.inc) requests.send(message.reply ?? '', '+ACK');
      else if (waitMs > 0) requests.send(message.reply ?? '', nakBody(waitMs));
      else due.push({ stored, reply: message.reply ?? '' });
    }
    if (due.length === 0) return;
    const ledger = await ledgers.read(queue.name, queue.record.inc);
    due.sort(({ stored: one }, { stored: other }) => dueAtOf(one) - dueAtOf(other) || one.seq - other.seq);
    await Promise.all(due.map(({ stored }) => this.#move(queue, stored, ledger)));
    await this.#settle(queue, due);
  }

  async #move(queue: KnownQueue, stored: StoredMessage, ledger: Ledger): Promise<void> {
    if (ledger.isSettled('delayed', stored.seq)) return;
    const entry = ledger.entries.get(stored.seq);
    if (isOver(stored, this.#shared.clock))
      return endMessage(this.#shared, queue, { stored, entry, lane: 'delayed' }, true);
    await place(this.#shared, queue, stored, entry, { dueAt: undefined, readyAt: stored.envelope.dueAt });
  }

  async #settle(queue: KnownQueue, moved: readonly { stored: StoredMessage; reply: string }[]): Promise<void> {
    const { ledgers, requests } = this.#shared;
    const other = moved.map(({ stored: { seq } }) => ({ did: 'move', lane: 'delayed', seq }) as const);
    await ledgers.append(queue.name, { k: 's', inc: queue.record.inc, acked: {}, other });
    for (const { reply } of moved) requests.send(reply, '+ACK');
  }
}

function dueAtOf({ envelope }: StoredMessage): number {
  return envelope.dueAt ?? 0;
}

/** Publishes a message of a queue once more, to the lane where it belongs by now. Done twice it is there once. */
export async function place(
  { requests, names, records }: QueueContext,
  queue: KnownQueue,
  stored: StoredMessage,
  entry: Entry | undefined,
  { lane: own, ...times }: { readonly dueAt: number | undefined; readonly readyAt?: number | undefined; lane?: Lane },
): Promise<void> {
  const { message, envelope, seq } = stored;
  const attempts = attemptsOf(stored, entry);
  const past = attempts > 0 ? { attempts, history: endedHistory(stored, entry) } : envelope.past;
  const lane = own ?? (times.dueAt === undefined ? levelOf(message.priority) : 'delayed');
  const { inc } = (await records.useLane(queue, lane)).record;
  const next = { ...envelope, inc, past, ...times };
  const id = `${inc}.m${seq}.${Math.round(times.dueAt ?? 0)}`;
  const { data, headers } = encode(message, next, id);
  await requests.publish(names.lane(queue.name, lane), data, headers);
}
