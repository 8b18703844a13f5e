/** A message as a queue holds it. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { AttemptRecord, BrowsedMessage, Delivery, Message, MessageState } from '@busbar/api/transport';
import { type Agenda, Alarm } from './agenda.ts';
import type { Slotted } from './heap.ts';

const MAX_HISTORY = 20;
const NO_HISTORY: readonly AttemptRecord[] = Object.freeze([]);

/** A lease on an item. */
export interface Lease {
  readonly receipt: string;
  readonly consumer: string | undefined;
}

/** A message as a queue holds it. */
export class Item implements Slotted {
  /** In the heap of what is ready. */
  slot = -1;
  readonly message: PreparedMessage;
  /** Decides the order within one priority; an undelayed retry keeps it. */
  place: number;
  state: MessageState = 'ready';
  /** When it became ready last. */
  readySince = 0;
  attempts = 0;
  history: readonly AttemptRecord[] = NO_HISTORY;
  lease: Lease | undefined;
  dead: { readonly reason: string; readonly at: number } | undefined;
  /** Its time to live is over while it is leased: it is gone once it comes back. */
  isExpired = false;
  /** The end of its delay, of its lease, or of the time that a dead letter is kept: whichever its state says. */
  readonly due: Alarm;
  /** The end of its time to live, where it has one. */
  readonly ttl: Alarm | undefined;

  constructor(message: PreparedMessage, place: number, onDue: (item: Item) => void, onExpired: (item: Item) => void) {
    this.message = message;
    this.place = place;
    this.due = new Alarm(onDue, this);
    this.ttl = message.ttlMs === undefined ? undefined : new Alarm(onExpired, this);
  }

  /** Notes that an attempt has ended. */
  record(outcome: AttemptRecord['outcome'], reason: string | undefined, at: number): void {
    const endedAt = Math.round(at);
    const record = { attempt: this.attempts, endedAt, outcome, reason, consumer: this.lease?.consumer };
    this.history = [...this.history, record].slice(-MAX_HISTORY);
  }

  toDelivery(queue: string, agenda: Agenda): Delivery {
    return {
      ...toMessage(this.message),
      queue,
      receipt: this.lease?.receipt ?? '',
      attempt: this.attempts,
      leaseLeftMs: agenda.leftMs(this.due),
      ttlLeftMs: this.#ttlLeftMs(agenda),
    };
  }

  toBrowsed(agenda: Agenda): BrowsedMessage {
    return {
      message: toMessage(this.message),
      state: this.state,
      attempts: this.attempts,
      delayLeftMs: this.state === 'delayed' ? agenda.leftMs(this.due) : undefined,
      leaseLeftMs: this.state === 'leased' ? agenda.leftMs(this.due) : undefined,
      consumer: this.lease?.consumer,
      ttlLeftMs: this.#ttlLeftMs(agenda),
      history: this.history,
      dead: this.dead,
    };
  }

  #ttlLeftMs(agenda: Agenda): number | undefined {
    if (this.ttl === undefined || this.state === 'dead') return undefined;
    return this.isExpired ? 0 : agenda.leftMs(this.ttl);
  }
}

/** What a consumer gets: its own copy, without the delivery rules. */
export function toMessage(message: Message): Message {
  return {
    id: message.id,
    body: new Uint8Array(message.body),
    contentType: message.contentType,
    headers: message.headers,
    type: message.type,
    from: message.from,
    to: message.to,
    topic: message.topic,
    priority: message.priority,
    orderingKey: message.orderingKey,
    correlationId: message.correlationId,
    causationId: message.causationId,
    hops: message.hops,
    replyTo: message.replyTo,
    sentAt: message.sentAt,
  };
}
