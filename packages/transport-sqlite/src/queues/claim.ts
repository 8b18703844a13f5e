/** Claiming messages of one queue for all who wait for it. */

import type { BusbarError, Delivery, QueueSettings } from '@busbar/api/transport';
import type { Operation } from '../connection/operation.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { WaiterRegistry } from '../wakeup/waiter-registry.ts';
import { leaseMessages } from './lease-messages.ts';
import type { Waiter } from './pending-receive.ts';
import type { QueueRow } from './queue-row.ts';

/** Messages that one claim leases at most, for however many consumers. */
const MAX_CLAIM = 1000;

/** Those for whom is claimed. */
export interface Claimants {
  /** Those who wait for `queue`, first come first. */
  waiters(queue: string): Waiter[];
  /** Hands out what a claim has brought. */
  settle(queue: string, served: ReadonlyMap<Waiter, Delivery[]>, hasMore: boolean): void;
  /** Takes notice of how the queue is set. */
  learn(queue: string, settings: Required<QueueSettings>): void;
  fail(queue: string, error: BusbarError): void;
  /** The store is locked. True when nobody waits for `queue` any more. */
  giveUpStuck(queue: string, now: number, looksAtSignals: boolean, error: BusbarError): boolean;
}

/** Claims messages of one queue for all who wait for it. */
export class Claiming implements Operation {
  readonly writes = true;
  readonly #queue: string;
  readonly #room: Claimants;
  readonly #listeners: WaiterRegistry;
  #served = new Map<Waiter, Delivery[]>();
  #hasMore = false;
  #settings: Required<QueueSettings> | undefined;

  constructor(queue: string, room: Claimants, listeners: WaiterRegistry) {
    this.#queue = queue;
    this.#room = room;
    this.#listeners = listeners;
  }

  step(transaction: Transaction): boolean {
    this.#served = new Map();
    this.#hasMore = false;
    const waiters = this.#room.waiters(this.#queue).filter(({ decidedIn }) => decidedIn !== transaction);
    const queue = transaction.queue(this.#queue);
    for (const waiter of waiters) if (!waiter.isWaiting) this.#served.set(waiter, []);
    for (let from = 0; from < waiters.length && queue !== undefined; ) {
      const group = sameConsumer(waiters, from);
      from += group.length;
      if (this.#serve(transaction, queue, group) < group.length) break;
    }
    if (queue !== undefined) {
      this.#hasMore = queue.ready > 0;
      this.#settings = queue.settings;
      if (queue.settings.expireIdleMs < Number.POSITIVE_INFINITY && waiters.length > 0) queue.touch(transaction.now);
    }
    for (const [waiter, deliveries] of this.#served) {
      if (deliveries.length > 0 || waiter.wanted.waitMs === 0) waiter.decidedIn = transaction;
    }
    const isLeftWaiting = waiters.some((waiter) => waiter.wanted.waitMs > 0 && !this.#served.get(waiter)?.length);
    if (isLeftWaiting) this.#listeners.add(transaction, 'queue', this.#queue);
    return true;
  }

  committed(): void {
    if (this.#settings !== undefined) this.#room.learn(this.#queue, this.#settings);
    this.#room.settle(this.#queue, this.#served, this.#hasMore);
  }

  failed(error: BusbarError): void {
    this.#room.fail(this.#queue, error);
  }

  failLate(now: number, looksAtSignals: boolean, error: BusbarError): boolean {
    return this.#room.giveUpStuck(this.#queue, now, looksAtSignals, error);
  }

  /** How many of the group got something. */
  #serve(transaction: Transaction, queue: QueueRow, group: readonly Waiter[]): number {
    const max = group.reduce((sum, { wanted }) => sum + wanted.max, 0);
    const deliveries = leaseMessages(transaction, queue, Math.min(max, MAX_CLAIM), group[0]?.wanted.consumer);
    let from = 0;
    for (const [index, waiter] of group.entries()) {
      if (from >= deliveries.length) return index;
      this.#served.set(waiter, deliveries.slice(from, from + waiter.wanted.max));
      from += waiter.wanted.max;
    }
    return group.length;
  }
}

function sameConsumer(waiters: readonly Waiter[], from: number): Waiter[] {
  const consumer = waiters[from]?.wanted.consumer;
  const end = waiters.findIndex((waiter, index) => index > from && waiter.wanted.consumer !== consumer);
  return waiters.slice(from, end < 0 ? undefined : end);
}

/** Whether a claim would find something, or something to bring up to date. */
export function hasSomething(transaction: Transaction, name: string): boolean {
  const queue = transaction.queue(name);
  if (queue === undefined) return false;
  const { store, now } = transaction;
  if (queue.ready > 0 || queue.backfills > 0) return true;
  if (queue.settings.expireIdleMs / 4 < now - queue.usedAt) return true;
  if (
    queue.delayed > 0 &&
    store.value('SELECT 1 FROM delayed WHERE queue_id=? AND due<=?', queue.id, now) !== undefined
  )
    return true;
  return queue.leased > 0 && store.value('SELECT 1 FROM leased WHERE until<=?', now) !== undefined;
}
