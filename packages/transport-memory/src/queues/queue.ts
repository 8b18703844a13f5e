/** One queue: messages that are ready, delayed, leased or dead. */

import { Deadline, type DeadlineQueue, Heap, type PreparedMessage, queueFrozen, queueFull } from '@busbar/api/driver';
import type {
  Delivery,
  KvPut,
  Message,
  QueueInfo,
  QueueSettings,
  SendResult,
  Settlement,
  SettleResult,
} from '@busbar/api/transport';
import { DedupeWindow } from './dedupe.ts';
import { OrderingKeys } from './ordering-keys.ts';
import { StoredMessage } from './stored-message.ts';

/** What a queue needs of its namespace. */
export interface QueueContext {
  readonly deadlines: DeadlineQueue;
  readonly defaults: Required<QueueSettings>;
  /** The queue has messages that are ready. */
  wake(queue: Queue): void;
  /** Waiting receives must claim again: their queue may expire now. */
  recheck(queue: Queue): void;
  /** Returns a number above all earlier ones. */
  next(): number;
  /** The queue has been idle for `expireIdleMs`. */
  expire(queue: Queue): void;
  /** Puts the entry of a settlement. */
  putEntry(entry: KvPut): void;
}

export class Queue {
  readonly name: string;
  settings: Required<QueueSettings>;
  readonly dead: Set<StoredMessage> = new Set();
  /** Messages that are not dead, in order of arrival. */
  readonly live: Set<StoredMessage> = new Set();
  readonly dedupe: DedupeWindow<true>;
  readonly totals: { sent: number; done: number; dead: number; expired: number } = {
    sent: 0,
    done: 0,
    dead: 0,
    expired: 0,
  };
  readonly #context: QueueContext;
  readonly #keys = new OrderingKeys();
  readonly #leases = new Map<string, StoredMessage>();
  /** Messages by id, the newest last. An id sent again after its dedupe window is another message. */
  readonly #byId = new Map<string, StoredMessage[]>();
  /** The messages that may be delivered now. */
  readonly #ready = new Heap<StoredMessage>((a, b) => compareDelivery(a, b) < 0);
  readonly #idle: Deadline;

  constructor(name: string, context: QueueContext) {
    this.name = name;
    this.settings = context.defaults;
    this.#context = context;
    this.dedupe = new DedupeWindow(() => context.deadlines.now);
    this.#idle = new Deadline(() => context.expire(this));
  }

  /** Whether a claim would find a message. */
  get isReady(): boolean {
    return this.#ready.size > 0 && !this.settings.paused;
  }

  /** The messages with this id, in any state. */
  withId(id: string): readonly StoredMessage[] {
    return this.#byId.get(id) ?? [];
  }

  /** Whether the queue holds this message, or within its window another one that was sent with its id. */
  has({ id, topic, sentAt }: Pick<Message, 'id' | 'topic' | 'sentAt'>): boolean {
    const same = this.withId(id).filter(({ message }) => message.topic === topic);
    if (same.some(({ message }) => message.sentAt === sentAt)) return true;
    return topic === undefined && same.length > 0 && this.dedupe.get(id) === true;
  }

  /** Records a use of the queue, which restarts `expireIdleMs`. */
  touch(): void {
    if (this.settings.expireIdleMs !== Number.POSITIVE_INFINITY) {
      this.#context.deadlines.setIn(this.#idle, this.settings.expireIdleMs);
    }
  }

  configure(settings: QueueSettings): void {
    this.settings = { ...this.settings, ...settings };
    this.#context.deadlines.cancel(this.#idle);
    this.touch();
    this.#context.recheck(this);
  }

  send(messages: readonly PreparedMessage[]): SendResult[] {
    if (this.settings.frozen) throw queueFrozen(this.name);
    this.touch();
    // Delays of one batch begin together, also on a busy machine.
    const { now } = this.#context.deadlines;
    const results = messages.map((message) => this.#accept(message, now));
    this.dispatch();
    return results;
  }

  /** Adds an event of a bound topic, whatever the queue's length. */
  offer(event: PreparedMessage): void {
    this.totals.sent += 1;
    this.add(event);
  }

  /** Adds a message, ready or delayed. */
  add(message: PreparedMessage, now: number = this.#context.deadlines.now): StoredMessage {
    const item = this.#insert(message);
    if (message.delayMs > 0) this.#delay(item, message.delayMs, now);
    else this.#makeReady(item);
    return item;
  }

  /** Imports a message with its attempts, and the rest of its time to live. */
  restore(
    message: PreparedMessage,
    past: Pick<StoredMessage, 'attempts' | 'history' | 'dead'> & { readonly ttlLeftMs: number | undefined },
  ): void {
    const item = this.add(message);
    if (typeof past.ttlLeftMs === 'number') this.#context.deadlines.setIn(item.ttl, past.ttlLeftMs);
    item.attempts = past.attempts;
    item.history = past.history;
    if (past.dead !== undefined) this.#makeDead(item, past.dead);
  }

  /** Leases up to `max` messages to `consumer`. */
  claim(max: number, consumer: string | undefined): Delivery[] {
    this.touch();
    const deliveries: Delivery[] = [];
    if (this.settings.paused) return deliveries;
    for (let item = this.#ready.first; item !== undefined && deliveries.length < max; item = this.#ready.first) {
      this.#ready.remove(item);
      if (this.#isLastAttempt(item)) this.#bury(item, 'attempts used up');
      else deliveries.push(this.#lease(item, consumer));
    }
    return deliveries;
  }

  /** Wakes waiting receives when a message is ready. */
  dispatch(): void {
    if (this.isReady) this.#context.wake(this);
  }

  settle(settlement: Settlement, now: number): SettleResult {
    const { receipt } = settlement;
    const item = this.#leases.get(receipt);
    if (item === undefined) return { receipt, status: 'lease-lost' };
    if (settlement.action === 'extend') {
      this.#context.deadlines.setIn(item.due, settlement.leaseMs ?? this.settings.leaseMs);
      return { receipt, status: 'done', leaseLeftMs: this.#context.deadlines.msLeft(item.due) };
    }
    this.#end(item, settlement, now);
    return { receipt, status: 'done' };
  }

  /** Ends every lease, as if its time were over. */
  endLeases(): void {
    for (const item of [...this.#leases.values()]) this.#onLeaseEnd(item);
  }

  /** Removes a message that is not leased, whatever its state. */
  remove(item: StoredMessage): void {
    this.#ready.remove(item);
    this.#detach(item);
  }

  /** Sets the delay of a message that is not leased. */
  reschedule(item: StoredMessage, delayMs: number): void {
    this.#ready.remove(item);
    this.#context.deadlines.cancel(item.due);
    if (delayMs > 0) this.#delay(item, delayMs);
    else this.#makeReadyLast(item);
  }

  /** Requeues a dead letter with no attempts and its full time to live. */
  redrive(item: StoredMessage): void {
    this.#detach(item);
    this.add({ ...item.message, delayMs: 0 }).history = item.history;
  }

  /** Removes every message, since the queue is deleted. Its leases become stale. */
  close(): void {
    for (const item of [...this.live, ...this.dead]) this.remove(item);
    this.#context.deadlines.cancel(this.#idle);
  }

  info(): QueueInfo {
    const count = { ready: 0, delayed: 0, leased: 0, dead: this.dead.size };
    let oldest: StoredMessage | undefined;
    for (const item of this.live) {
      count[item.state] += 1;
      if (item.state === 'ready') oldest ??= item;
    }
    const oldestAgeMs = oldest === undefined ? 0 : performance.now() - oldest.readySince;
    return { name: this.name, settings: this.settings, ...count, oldestAgeMs, totals: { ...this.totals } };
  }

  #accept(message: PreparedMessage, now: number): SendResult {
    const { id } = message;
    if (this.dedupe.get(id)) return { id, status: 'duplicate' };
    if (this.live.size >= this.settings.maxLength)
      return { id, status: 'failed', error: queueFull(this.name, this.settings.maxLength) };
    this.dedupe.remember(id, true, this.settings.dedupeMs);
    this.totals.sent += 1;
    this.add(message, now);
    return { id, status: 'stored' };
  }

  #insert(message: PreparedMessage): StoredMessage {
    const item = new StoredMessage(
      message,
      this.#context.next(),
      this.#context.deadlines,
      (due) => this.#onDue(due),
      (expired) => this.#onExpired(expired),
    );
    this.live.add(item);
    this.#index(item);
    this.#keys.add(item);
    if (message.ttlMs !== undefined) this.#context.deadlines.setIn(item.ttl, message.ttlMs);
    return item;
  }

  #index(item: StoredMessage): void {
    const { id } = item.message;
    this.#byId.set(id, [...(this.#byId.get(id) ?? []), item]);
  }

  #unindex(item: StoredMessage): void {
    const { id } = item.message;
    const others = this.#byId.get(id)?.filter((other) => other !== item) ?? [];
    if (others.length === 0) this.#byId.delete(id);
    else this.#byId.set(id, others);
  }

  /** Makes a message ready behind all others of its priority. */
  #makeReadyLast(item: StoredMessage): void {
    item.order = this.#context.next();
    this.#makeReady(item);
  }

  #makeReady(item: StoredMessage): void {
    item.state = 'ready';
    item.readySince = performance.now();
    if (this.#keys.isFirst(item)) this.#ready.add(item);
  }

  #delay(item: StoredMessage, ms: number, now: number = this.#context.deadlines.now): void {
    item.state = 'delayed';
    this.#context.deadlines.set(item.due, now + ms);
  }

  #lease(item: StoredMessage, consumer: string | undefined): Delivery {
    item.state = 'leased';
    item.attempts += 1;
    item.lease = { receipt: `${this.name}#${this.#context.next().toString(36)}`, consumer };
    this.#leases.set(item.lease.receipt, item);
    this.#context.deadlines.setIn(item.due, this.settings.leaseMs);
    return item.toDelivery(this.name);
  }

  #end(item: StoredMessage, settlement: Exclude<Settlement, { action: 'extend' }>, now: number): void {
    switch (settlement.action) {
      case 'ack':
        this.totals.done += 1;
        this.#detach(item);
        this.#putEntry(settlement);
        break;
      case 'release':
        item.attempts -= 1;
        this.#requeue(item, settlement.delayMs ?? 0, now);
        break;
      case 'retry':
        item.record('retry', settlement.reason);
        if (!this.#isLastAttempt(item)) {
          this.#requeue(item, settlement.delayMs ?? 0, now);
          break;
        }
        this.#bury(item, settlement.reason ?? 'attempts used up');
        this.#putEntry(settlement);
        break;
      case 'reject':
        item.record('reject', settlement.reason);
        this.#bury(item, settlement.reason ?? 'rejected');
        this.#putEntry(settlement);
    }
  }

  #putEntry({ entry }: Settlement): void {
    if (entry !== undefined) this.#context.putEntry(entry);
  }

  /** A lease has ended without an ack: the message is ready or delayed again. */
  #requeue(item: StoredMessage, delayMs: number, now?: number): void {
    this.#unlease(item);
    if (item.isExpired) this.#expire(item);
    else if (delayMs > 0) this.#delay(item, delayMs, now);
    else this.#makeReady(item);
    this.dispatch();
  }

  #onDue(item: StoredMessage): void {
    if (item.state === 'dead') this.remove(item);
    else if (item.state === 'leased') this.#onLeaseEnd(item);
    else {
      this.#makeReadyLast(item);
      this.dispatch();
    }
  }

  #onLeaseEnd(item: StoredMessage): void {
    item.record('expired', undefined);
    if (this.#isLastAttempt(item)) this.#bury(item, 'the lease of the last attempt ended');
    else this.#requeue(item, 0);
  }

  #onExpired(item: StoredMessage): void {
    if (item.state === 'leased') item.isExpired = true;
    else this.#expire(item);
  }

  #expire(item: StoredMessage): void {
    this.totals.expired += 1;
    this.remove(item);
  }

  #bury(item: StoredMessage, reason: string): void {
    if (item.isExpired) {
      this.#expire(item);
      return;
    }
    this.totals.dead += 1;
    this.#makeDead(item, { reason, at: Date.now() });
  }

  /** Makes a dead letter; the next message of its ordering key becomes deliverable. */
  #makeDead(item: StoredMessage, dead: StoredMessage['dead']): void {
    this.#detach(item);
    item.order = this.#context.next();
    item.state = 'dead';
    item.dead = dead;
    this.dead.add(item);
    this.#index(item);
    this.#context.deadlines.setIn(item.due, this.settings.deadTtlMs);
  }

  #unlease(item: StoredMessage): void {
    if (item.lease !== undefined) this.#leases.delete(item.lease.receipt);
    item.lease = undefined;
    this.#context.deadlines.cancel(item.due);
  }

  #detach(item: StoredMessage): void {
    this.#unlease(item);
    this.#ready.remove(item);
    this.#context.deadlines.cancel(item.ttl);
    this.live.delete(item);
    this.dead.delete(item);
    this.#unindex(item);
    const next = this.#keys.remove(item);
    if (next?.state !== 'ready' || next.slot >= 0) return;
    this.#ready.add(next);
    this.dispatch();
  }

  /** Whether the message has used all its attempts. */
  #isLastAttempt({ attempts, message }: StoredMessage): boolean {
    return attempts >= (message.maxAttempts ?? this.settings.maxAttempts);
  }
}

/** The order of delivery: by priority, then by `order`. */
function compareDelivery(a: StoredMessage, b: StoredMessage): number {
  return b.message.priority - a.message.priority || a.order - b.order;
}
