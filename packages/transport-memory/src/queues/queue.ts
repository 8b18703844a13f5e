/** One queue: messages that are ready, delayed, leased or dead. */

import { Deadline, type DeadlineQueue, Heap, type PreparedMessage } from '@busbar/api/driver';
import {
  BusbarError,
  type Delivery,
  type QueueInfo,
  type QueueSettings,
  type SendResult,
  type Settlement,
  type SettleResult,
} from '@busbar/api/transport';
import { queueFull } from '../errors.ts';
import { DedupeWindow } from './dedupe.ts';
import { OrderingKeys } from './ordering-keys.ts';
import { StoredMessage } from './stored-message.ts';

/** What a queue takes from its namespace. */
export interface QueueContext {
  readonly deadlines: DeadlineQueue;
  readonly defaults: Required<QueueSettings>;
  /** The queue has messages that are ready. */
  wake(queue: Queue): void;
  /** A number higher than all before. */
  next(): number;
  /** The queue has been idle for too long. */
  expire(queue: Queue): void;
}

export class Queue {
  readonly name: string;
  settings: Required<QueueSettings>;
  readonly dead: Set<StoredMessage> = new Set();
  /** Messages that are not dead, in the order in which they came. */
  readonly live: Set<StoredMessage> = new Set();
  readonly dedupe: DedupeWindow<true> = new DedupeWindow();
  readonly totals: { sent: number; done: number; dead: number; expired: number } = {
    sent: 0,
    done: 0,
    dead: 0,
    expired: 0,
  };
  readonly #ground: QueueContext;
  readonly #keys = new OrderingKeys();
  readonly #leases = new Map<string, StoredMessage>();
  readonly #byId = new Map<string, StoredMessage>();
  /** Those that may be delivered now. */
  readonly #ready = new Heap<StoredMessage>((a, b) => compareDelivery(a, b) < 0);
  readonly #idle: Deadline;

  constructor(name: string, ground: QueueContext) {
    this.name = name;
    this.settings = ground.defaults;
    this.#ground = ground;
    this.#idle = new Deadline(() => ground.expire(this));
  }

  /** Whether a claim would find a message. */
  get isReady(): boolean {
    return this.#ready.size > 0;
  }

  find(id: string): StoredMessage | undefined {
    return this.#byId.get(id);
  }

  /** Puts off the end of an idle queue. */
  touch(): void {
    if (this.settings.expireIdleMs !== Number.POSITIVE_INFINITY) {
      this.#ground.deadlines.setIn(this.#idle, this.settings.expireIdleMs);
    }
  }

  configure(settings: QueueSettings): void {
    this.settings = { ...this.settings, ...settings };
    this.#ground.deadlines.cancel(this.#idle);
    this.touch();
  }

  send(messages: readonly PreparedMessage[]): SendResult[] {
    if (this.settings.frozen) {
      throw new BusbarError('CONFLICT', `queue ${this.name} is frozen`, { hint: 'It takes no messages for now.' });
    }
    this.touch();
    const results = messages.map((message) => this.#accept(message));
    this.dispatch();
    return results;
  }

  /** Takes an event of a bound topic: never refused for the queue's length. */
  offer(event: PreparedMessage): void {
    this.totals.sent += 1;
    this.add(event);
  }

  /** Adds a message as it is: ready, or delayed where it says so. */
  add(message: PreparedMessage): StoredMessage {
    const item = this.#admit(message);
    if (message.delayMs > 0) this.#delay(item, message.delayMs);
    else this.#makeReady(item);
    return item;
  }

  /** Adds a message with a past: for imports. */
  restore(message: PreparedMessage, past: Pick<StoredMessage, 'attempts' | 'history' | 'dead'>): void {
    const item = this.add(message);
    item.attempts = past.attempts;
    item.history = past.history;
    if (past.dead !== undefined) this.#lay(item, past.dead);
  }

  /** Leases up to `max` messages to `consumer`. */
  claim(max: number, consumer: string | undefined): Delivery[] {
    this.touch();
    const deliveries: Delivery[] = [];
    for (let item = this.#ready.first; item !== undefined && deliveries.length < max; item = this.#ready.first) {
      this.#ready.remove(item);
      if (this.#isLastAttempt(item)) this.#bury(item, 'attempts used up');
      else deliveries.push(this.#lease(item, consumer));
    }
    return deliveries;
  }

  /** Wakes waiting receives when a message is ready. */
  dispatch(): void {
    if (this.isReady) this.#ground.wake(this);
  }

  settle(settlement: Settlement): SettleResult {
    const { receipt } = settlement;
    const item = this.#leases.get(receipt);
    if (item === undefined) return { receipt, status: 'lease-lost' };
    if (settlement.action === 'extend') {
      this.#ground.deadlines.setIn(item.due, this.settings.leaseMs);
      return { receipt, status: 'done', leaseLeftMs: this.#ground.deadlines.msLeft(item.due) };
    }
    this.#end(item, settlement);
    return { receipt, status: 'done' };
  }

  /** Removes a message that is not leased, whatever its state. */
  remove(item: StoredMessage): void {
    this.#ready.remove(item);
    this.#forget(item);
  }

  /** Sets when a message that nobody has comes due. */
  reschedule(item: StoredMessage, delayMs: number): void {
    this.#ready.remove(item);
    this.#ground.deadlines.cancel(item.due);
    if (delayMs > 0) this.#delay(item, delayMs);
    else this.#makeReady(item);
  }

  /** Puts a dead letter back, with fresh attempts and its whole time to live. */
  redrive(item: StoredMessage): void {
    this.#forget(item);
    this.add({ ...item.message, delayMs: 0 }).history = item.history;
  }

  /** Drops everything, as the queue is deleted. Its leases become stale. */
  close(): void {
    for (const item of [...this.live, ...this.dead]) this.remove(item);
    this.#ground.deadlines.cancel(this.#idle);
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

  #accept(message: PreparedMessage): SendResult {
    const { id } = message;
    if (this.dedupe.get(id)) return { id, status: 'duplicate' };
    if (this.live.size >= this.settings.maxLength)
      return { id, status: 'failed', error: queueFull(this.name, this.settings.maxLength) };
    this.dedupe.remember(id, true, this.settings.dedupeMs);
    this.totals.sent += 1;
    this.add(message);
    return { id, status: 'stored' };
  }

  #admit(message: PreparedMessage): StoredMessage {
    const item = new StoredMessage(
      message,
      this.#ground.next(),
      this.#ground.deadlines,
      (due) => this.#onDue(due),
      (expired) => this.#onExpired(expired),
    );
    this.live.add(item);
    this.#byId.set(message.id, item);
    this.#keys.add(item);
    if (message.ttlMs !== undefined) this.#ground.deadlines.setIn(item.ttl, message.ttlMs);
    return item;
  }

  #makeReady(item: StoredMessage): void {
    item.state = 'ready';
    item.readySince = performance.now();
    if (this.#keys.isFirst(item)) this.#ready.add(item);
  }

  #delay(item: StoredMessage, ms: number): void {
    item.state = 'delayed';
    this.#ground.deadlines.setIn(item.due, ms);
  }

  #lease(item: StoredMessage, consumer: string | undefined): Delivery {
    item.state = 'leased';
    item.attempts += 1;
    item.lease = { receipt: `${this.name}#${this.#ground.next().toString(36)}`, consumer };
    this.#leases.set(item.lease.receipt, item);
    this.#ground.deadlines.setIn(item.due, this.settings.leaseMs);
    return item.toDelivery(this.name);
  }

  #end(item: StoredMessage, settlement: Exclude<Settlement, { action: 'extend' }>): void {
    switch (settlement.action) {
      case 'ack':
        this.totals.done += 1;
        this.#forget(item);
        break;
      case 'release':
        item.attempts -= 1;
        this.#back(item, 0);
        break;
      case 'retry':
        item.record('retry', settlement.reason);
        if (this.#isLastAttempt(item)) this.#bury(item, settlement.reason ?? 'attempts used up');
        else this.#back(item, settlement.delayMs ?? 0);
        break;
      case 'reject':
        item.record('reject', settlement.reason);
        this.#bury(item, settlement.reason ?? 'rejected');
    }
  }

  /** A lease is over and the message stays. */
  #back(item: StoredMessage, delayMs: number): void {
    this.#unlease(item);
    if (item.isExpired) this.#expire(item);
    else if (delayMs > 0) this.#delay(item, delayMs);
    else this.#makeReady(item);
    this.dispatch();
  }

  #onDue(item: StoredMessage): void {
    if (item.state === 'dead') this.remove(item);
    else if (item.state === 'leased') this.#onLeaseEnd(item);
    else {
      item.place = this.#ground.next();
      this.#makeReady(item);
      this.dispatch();
    }
  }

  #onLeaseEnd(item: StoredMessage): void {
    item.record('expired', undefined);
    if (this.#isLastAttempt(item)) this.#bury(item, 'the lease of the last attempt ended');
    else this.#back(item, 0);
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
    this.#lay(item, { reason, at: Date.now() });
  }

  /** Lays a message among the dead; the next of its key has its turn. */
  #lay(item: StoredMessage, dead: StoredMessage['dead']): void {
    this.#forget(item);
    item.place = this.#ground.next();
    item.state = 'dead';
    item.dead = dead;
    this.dead.add(item);
    this.#byId.set(item.message.id, item);
    this.#ground.deadlines.setIn(item.due, this.settings.deadTtlMs);
  }

  #unlease(item: StoredMessage): void {
    if (item.lease !== undefined) this.#leases.delete(item.lease.receipt);
    item.lease = undefined;
    this.#ground.deadlines.cancel(item.due);
  }

  #forget(item: StoredMessage): void {
    this.#unlease(item);
    this.#ready.remove(item);
    this.#ground.deadlines.cancel(item.ttl);
    this.live.delete(item);
    this.dead.delete(item);
    if (this.#byId.get(item.message.id) === item) this.#byId.delete(item.message.id);
    const next = this.#keys.remove(item);
    if (next?.state !== 'ready' || next.slot >= 0) return;
    this.#ready.add(next);
    this.dispatch();
  }

  /** No attempt is left after the ones it had. */
  #isLastAttempt({ attempts, message }: StoredMessage): boolean {
    return attempts >= (message.maxAttempts ?? this.settings.maxAttempts);
  }
}

/** The order of delivery: by priority, then by place. */
function compareDelivery(a: StoredMessage, b: StoredMessage): number {
  return b.message.priority - a.message.priority || a.place - b.place;
}
