/** Pulls from consumers: stored messages in bulk, or new ones with a wait. */

import type { Msg, Subscription } from '@nats-io/transport-node';
import type { Connection } from './connection.ts';

/** The messages of a pull. `lost`: the consumer does not exist, or the server went away. */
export interface Pulled {
  readonly messages: readonly Msg[];
  readonly lost: boolean;
}

/** A pull that waits. */
export interface WaitingPull {
  /** Resolves when it is over: with whether the consumer is lost. */
  readonly over: Promise<boolean>;
  readonly isOver: boolean;
  /** Ends it. Messages on their way are delivered before it resolves. */
  withdraw(): Promise<void>;
}

const SILENCE_MS = 5_000;
const DRAIN_MS = 1_000;
const EXPIRES_MS = 60_000;
/** In a cluster the server of a consumer may go while the connection, to another one, stays: its waits end unsaid. */
const CLUSTER_EXPIRES_MS = 15_000;
const NS = 1_000_000;
/** For a consumer that may not know yet of a stored message, or that `max_ack_pending` holds up: it is answered by its end. */
const BOUNDED = `,"expires":${10 * NS}`;

/** The pulls of one transport on the consumers of one stream. */
export class Puller {
  readonly #connection: Connection;
  readonly #next: string;
  readonly #idle: Inbox[] = [];
  readonly #busy = new Set<Inbox>();
  readonly #waiting = new Set<Waiting>();

  constructor(connection: Connection, stream: string) {
    this.#connection = connection;
    this.#next = `$JS.API.CONSUMER.MSG.NEXT.${stream}.`;
    connection.onState(({ state }) => {
      if (state === 'reconnecting') for (const inbox of [...this.#busy]) inbox.fail();
    });
    connection.onBack(() => {
      for (const waiting of this.#waiting) waiting.renew();
    });
  }

  /** Up to `batch` stored messages. `isBounded`: it waits up to 10 ms for them. */
  async pull(consumer: string, batch: number, isBounded = false): Promise<Pulled> {
    if (!this.#connection.isUp) return { messages: [], lost: true };
    const inbox = this.#idle.pop() ?? new Inbox(this.#connection);
    this.#busy.add(inbox);
    const pulled = await inbox.pull(`${this.#next}${consumer}`, batch, isBounded ? BOUNDED : '');
    this.#busy.delete(inbox);
    if (pulled.isUsable) this.#idle.push(inbox);
    else inbox.close();
    return pulled;
  }

  /** Waits for up to `batch` messages, which `onMessage` gets as they come; until `until` at most. */
  wait(
    consumer: string,
    batch: number,
    onMessage: (message: Msg) => void,
    until: number = Number.POSITIVE_INFINITY,
  ): WaitingPull {
    const waiting: Waiting = new Waiting(this.#connection, `${this.#next}${consumer}`, { batch, until, onMessage });
    this.#waiting.add(waiting);
    void waiting.over.then(() => this.#waiting.delete(waiting));
    return waiting;
  }
}

/** Ends a subscription after the messages on their way. A server that does not reply ends it after a second. */
export async function drain(subscription: Subscription): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const isLate = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DRAIN_MS);
  });
  const drained = subscription.drain().catch(() => undefined); // The connection ended meanwhile.
  await Promise.race([drained, isLate]);
  clearTimeout(timer);
}

/** The status that ends a pull; 0 for a message. A status has no reply subject, so the headers of messages are not decoded. */
function statusOf(message: Msg): number {
  return message.reply ? 0 : (message.headers?.code ?? 0);
}

/** An inbox for one pull after the other. */
class Inbox {
  readonly #connection: Connection;
  readonly #subject: string;
  readonly #subscription: Subscription;
  #messages: Msg[] = [];
  #wanted = 0;
  #resolve: ((pulled: Pulled & { readonly isUsable: boolean }) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#subject = connection.newInbox();
    this.#subscription = connection.client.subscribe(this.#subject, { callback: (_, message) => this.#take(message) });
  }

  pull(subject: string, batch: number, more: string): Promise<Pulled & { readonly isUsable: boolean }> {
    this.#messages = [];
    this.#wanted = batch;
    this.#timer = setTimeout(() => this.fail(), SILENCE_MS);
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#connection.publish(subject, `{"batch":${batch},"no_wait":true${more}}`, { reply: this.#subject });
    });
  }

  fail(): void {
    this.#end(true, false);
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  #take(message: Msg): void {
    const code = statusOf(message);
    if (code === 0) {
      this.#messages.push(message);
      // The status that would follow a part of a batch does not follow a whole one.
      if (this.#messages.length === this.#wanted) this.#end(false, true);
    } else if (code !== 100) this.#end(code === 503 || code === 409, true);
  }

  #end(lost: boolean, isUsable: boolean): void {
    clearTimeout(this.#timer);
    this.#resolve?.({ messages: this.#messages, lost, isUsable });
    this.#resolve = undefined;
  }
}

class Waiting implements WaitingPull {
  readonly over: Promise<boolean>;
  readonly #connection: Connection;
  readonly #subject: string;
  readonly #onMessage: (message: Msg) => void;
  readonly #until: number;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  #left: number;
  #end: (lost: boolean) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  isOver = false;

  constructor(
    connection: Connection,
    subject: string,
    { batch, until, onMessage }: { batch: number; until: number; onMessage: (message: Msg) => void },
  ) {
    this.#connection = connection;
    this.#inbox = connection.newInbox();
    this.#subject = subject;
    this.#left = batch;
    this.#onMessage = onMessage;
    this.#until = until;
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#subscription = connection.client.subscribe(this.#inbox, { callback: (_, message) => this.#take(message) });
    this.renew();
  }

  /** Asks again: an earlier asking is gone with its connection, or has expired. */
  renew(): void {
    clearTimeout(this.#timer);
    if (this.isOver || !this.#connection.isUp || this.#connection.client.isClosed()) return;
    // A wait that expires leaves no trace on the server. A withdrawn one may disturb the order of redelivered messages.
    const leftMs = Math.max(1, Math.round(this.#until - performance.now()));
    const longestMs = this.#connection.isClustered ? CLUSTER_EXPIRES_MS : EXPIRES_MS;
    const expiresMs = Math.min(leftMs, Math.round(longestMs * (1 + Math.random())));
    const request = JSON.stringify({ batch: this.#left, expires: expiresMs * NS });
    this.#connection.publish(this.#subject, request, { reply: this.#inbox });
    this.#timer = setTimeout(() => this.renew(), expiresMs + SILENCE_MS);
  }

  async withdraw(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.#timer);
    await drain(this.#subscription);
    this.#end(false);
  }

  #take(message: Msg): void {
    const code = statusOf(message);
    if (code === 0) {
      this.#left -= 1;
      this.#onMessage(message);
      if (this.#left === 0) this.#finish(false);
    } else if (code === 408 && performance.now() < this.#until) this.renew();
    else if (code === 408) this.#finish(false);
    else if (code !== 100) this.#finish(true);
  }

  #finish(lost: boolean): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.#timer);
    this.#subscription.unsubscribe();
    this.#end(lost);
  }
}
