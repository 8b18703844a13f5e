/** A message in a queue, with its state. */

import { Deadline, type DeadlineQueue, type HeapItem, type PreparedMessage } from '@busbar/api/driver';
import type { AttemptRecord, BrowsedMessage, Delivery, Message, MessageState } from '@busbar/api/transport';

const MAX_HISTORY = 20;

/** A lease on a message. */
export interface Lease {
  readonly receipt: string;
  readonly consumer: string | undefined;
}

/** A message in a queue. */
export class StoredMessage implements HeapItem {
  /** Its index in the heap of ready messages. */
  slot = -1;
  readonly message: PreparedMessage;
  /** Decides the order within one priority; an undelayed retry keeps it. */
  order: number;
  state: MessageState = 'ready';
  /** When it last became ready, on the clock of `performance.now()`. */
  readySince = 0;
  attempts = 0;
  history: readonly AttemptRecord[] = [];
  lease: Lease | undefined;
  dead: { readonly reason: string; readonly at: number } | undefined;
  /** It expired while it was leased: it is removed when the lease ends. */
  isExpired = false;
  /** By state: the end of its delay, of its lease, or of `deadTtlMs`. */
  readonly #deadlines: DeadlineQueue;
  readonly due: Deadline;
  readonly ttl: Deadline;

  constructor(
    message: PreparedMessage,
    order: number,
    deadlines: DeadlineQueue,
    onDue: (item: StoredMessage) => void,
    onExpired: (item: StoredMessage) => void,
  ) {
    this.message = message;
    this.#deadlines = deadlines;
    this.order = order;
    this.due = new Deadline(() => onDue(this));
    this.ttl = new Deadline(() => onExpired(this));
  }

  /** Records the end of an attempt. */
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

  /** What is left is counted from `now`. */
  toBrowsed(now: number = this.#deadlines.now): BrowsedMessage {
    return {
      message: toMessage(this.message),
      state: this.state,
      attempts: this.attempts,
      delayLeftMs: this.state === 'delayed' ? this.#deadlines.msLeft(this.due, now) : undefined,
      leaseLeftMs: this.state === 'leased' ? this.#deadlines.msLeft(this.due, now) : undefined,
      consumer: this.lease?.consumer,
      ttlLeftMs: this.#ttlLeftMs(now),
      history: this.history,
      dead: this.dead,
    };
  }

  #ttlLeftMs(now: number = this.#deadlines.now): number | undefined {
    if (this.message.ttlMs === undefined || this.state === 'dead') return undefined;
    return this.#deadlines.msLeft(this.ttl, now);
  }
}

/** A copy for a consumer, without the delivery rules. */
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
