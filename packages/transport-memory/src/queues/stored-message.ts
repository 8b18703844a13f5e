/** A message as a queue of this store holds it. */

import { Deadline, type DeadlineQueue, type HeapItem, type PreparedMessage } from '@busbar/api/driver';
import type { AttemptRecord, BrowsedMessage, Delivery, Message, MessageState } from '@busbar/api/transport';

const MAX_HISTORY = 20;

/** A lease on an item. */
export interface Lease {
  readonly receipt: string;
  readonly consumer: string | undefined;
}

/** A message as a queue of this store holds it. */
export class StoredMessage implements HeapItem {
  /** In the heap of what is ready. */
  slot = -1;
  readonly message: PreparedMessage;
  /** Decides the order within one priority; an undelayed retry keeps it. */
  place: number;
  state: MessageState = 'ready';
  /** When it became ready last, on the store's clock. */
  readySince = 0;
  attempts = 0;
  history: readonly AttemptRecord[] = [];
  lease: Lease | undefined;
  dead: { readonly reason: string; readonly at: number } | undefined;
  /** Its time to live is over while it is leased: it is gone once it comes back. */
  isExpired = false;
  /** The end of its delay, of its lease, or of the time that a dead letter is kept: whichever its state says. */
  readonly #deadlines: DeadlineQueue;
  readonly due: Deadline;
  readonly ttl: Deadline;

  constructor(
    message: PreparedMessage,
    place: number,
    deadlines: DeadlineQueue,
    onDue: (item: StoredMessage) => void,
    onExpired: (item: StoredMessage) => void,
  ) {
    this.message = message;
    this.#deadlines = deadlines;
    this.place = place;
    this.due = new Deadline(() => onDue(this));
    this.ttl = new Deadline(() => onExpired(this));
  }

  /** Notes that an attempt has ended. */
  record(outcome: AttemptRecord['outcome'], reason: string | undefined): void {
    const record = { attempt: this.attempts, endedAt: Date.now(), outcome, reason, consumer: this.lease?.consumer };
    this.history = [...this.history, record].slice(-MAX_HISTORY);
  }

  toDelivery(queue: string): Delivery {
    return {
      ...toMessage(this.message),
      queue,
      receipt: this.lease?.receipt ?? '',
      attempt: this.attempts,
      leaseLeftMs: this.#deadlines.msLeft(this.due),
      ttlLeftMs: this.#ttlLeftMs(),
    };
  }

  toBrowsed(): BrowsedMessage {
    return {
      message: toMessage(this.message),
      state: this.state,
      attempts: this.attempts,
      delayLeftMs: this.state === 'delayed' ? this.#deadlines.msLeft(this.due) : undefined,
      leaseLeftMs: this.state === 'leased' ? this.#deadlines.msLeft(this.due) : undefined,
      consumer: this.lease?.consumer,
      ttlLeftMs: this.#ttlLeftMs(),
      history: this.history,
      dead: this.dead,
    };
  }

  #ttlLeftMs(): number | undefined {
    return this.message.ttlMs === undefined || this.state === 'dead' ? undefined : this.#deadlines.msLeft(this.ttl);
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
