/** The state of one namespace: what all records of its log, one after the other, make of nothing. */

import type { PreparedMessage } from '@busbar/api/driver';
import {
  BusbarError,
  isBusbarError,
  type PublishResult,
  QUEUE_DEFAULTS,
  type QueueSettings,
} from '@busbar/api/transport';
import { Agenda } from './agenda.ts';
import { Bindings, type Bound } from './bindings.ts';
import { EntryTable } from './entry-table.ts';
import { History, PLACES, type Retention } from './history.ts';
import { Queue, type QueueGround } from './queue.ts';

/** What the replica wants to hear of. */
export interface Listener {
  /** Something in `queue` may be delivered now. */
  ready(queue: string): void;
  /** `queue` goes when nothing of it is heard for `expireIdleMs`. */
  used(queue: string, expireIdleMs: number): void;
}

/** The state of one namespace. */
export class Namespace {
  readonly agenda: Agenda = new Agenda();
  readonly queues: Map<string, Queue> = new Map();
  readonly bindings: Bindings = new Bindings();
  readonly entries: EntryTable = new EntryTable(this.agenda);
  readonly history: History;
  readonly defaults: Required<QueueSettings> = QUEUE_DEFAULTS;
  /** Of each author the number of the last record that was carried out, and when: what comes again is passed over. */
  readonly authors: Map<string, { readonly last: number; readonly at: number }> = new Map();
  /** Numbers places in queues and leases. */
  counter = 0;
  readonly #storeId: string;
  readonly #ground: QueueGround;

  constructor(storeId: string, retention: Retention, listener: Listener) {
    this.#storeId = storeId;
    this.history = new History(this.agenda, retention);
    this.#ground = {
      agenda: this.agenda,
      defaults: this.defaults,
      next: () => ++this.counter,
      receipt: (queue) => `${queue}#${storeId}.${(++this.counter).toString(36)}`,
      ready: (queue) => listener.ready(queue),
      used: (queue, expireIdleMs) => listener.used(queue, expireIdleMs),
      expire: (queue) => this.deleteQueue(queue.name),
    };
  }

  /** The queue of this name, made where it is not there. */
  queue(name: string): Queue {
    let queue = this.queues.get(name);
    if (queue === undefined) {
      queue = new Queue(name, this.#ground);
      this.queues.set(name, queue);
    }
    return queue;
  }

  /** Appends the events of one publish, the first of them with the number `first`. */
  publish(topic: string, messages: readonly PreparedMessage[], first: number, isQuiet: boolean): PublishResult[] {
    const placed = this.history.append(topic, messages, first);
    return messages.map((message, index) => {
      const { number, isNew } = placed[index] ?? { number: first + index, isNew: false };
      if (isNew && !isQuiet)
        for (const queue of this.bindings.fedBy(topic, number)) this.queue(queue).offer({ ...message, topic });
      return { id: message.id, status: isNew ? 'stored' : 'duplicate', position: this.position(number) };
    });
  }

  /** Binds from `since` on; from the event after `now`, the newest there can be by now, where it is not given. */
  bind(queue: string, pattern: string, since: number | undefined, now: number): boolean {
    if (this.bindings.find(queue, pattern) !== undefined) return false;
    this.queue(queue);
    const isHistory = since !== undefined && since <= this.history.last;
    this.bindings.add({ queue, pattern, since: since ?? now + 1, fed: isHistory ? since : undefined });
    return true;
  }

  /** History that came up to before `to` for `bound`: it gets events as they come once that is all. */
  fed(bound: Bound, to: number): void {
    bound.fed = to > this.history.last ? undefined : to;
  }

  position(number: number): string {
    const record = Math.floor(number / PLACES);
    return `${this.#storeId}.${String(record).padStart(14, '0')}.${String(number % PLACES).padStart(4, '0')}`;
  }

  /** The number of a position; undefined where it is none of this store. */
  parsePosition(position: string): number | undefined {
    const [, store, record, place] = /^(\w+)\.(\d{14})\.(\d{4})$/.exec(position) ?? [];
    const number = Number(record) * PLACES + Number(place);
    return store === this.#storeId && Number(place) < PLACES ? number : undefined;
  }

  deleteQueue(name: string): boolean {
    const queue = this.queues.get(name);
    if (queue === undefined) return false;
    this.bindings.queues.delete(name);
    queue.clear();
    this.queues.delete(name);
    return true;
  }

  clear(): void {
    for (const name of [...this.queues.keys()]) this.deleteQueue(name);
    this.bindings.queues.clear();
    this.history.clear();
    this.entries.clear();
  }

  /** True where the record is new; notes it. */
  isNew(author: string, number: number): boolean {
    const known = this.authors.get(author);
    if (known !== undefined && number <= known.last) return false;
    this.authors.delete(author);
    this.authors.set(author, { last: number, at: this.agenda.now });
    for (const [old, { at }] of this.authors) {
      if (at > this.agenda.now - AUTHOR_MS) break;
      this.authors.delete(old);
    }
    return true;
  }
}

/** How long the records of one that is silent are still known. */
const AUTHOR_MS = 3_600_000;

/** NOT_FOUND for a queue. */
export function unknownQueue(name: string): BusbarError {
  return new BusbarError('NOT_FOUND', `there is no queue ${name}`, { hint: 'Look at the name, or create it first.' });
}

/** `error` where it is what an operation came to; a fault of the program is thrown on. */
export function asOutcome(error: unknown): BusbarError {
  if (isBusbarError(error)) return error;
  throw error;
}
