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

/** What a pull that outlives its wait does with a message: returns it to the consumer, or handles it as before. */
export type AfterWait = 'return' | 'handle';

/** The pulls of one transport on the consumers of one stream. */
export class Puller {
  readonly #connection: Connection;
  readonly #next: string;
  readonly #idle: Inbox[] = [];
  readonly #busy = new Set<Inbox>();
  readonly #pulls = new Set<Pull>();
  /** Pulls without a wait, by consumer. */
  readonly #parked = new Map<string, Pull[]>();
  readonly #afterWait: AfterWait | undefined;

  /** `afterWait` is for consumers that want an ack of each message. */
  constructor(connection: Connection, stream: string, afterWait?: AfterWait) {
    this.#connection = connection;
    this.#afterWait = afterWait;
    this.#next = `$JS.API.CONSUMER.MSG.NEXT.${stream}.`;
    connection.onState(({ state }) => {
      if (state === 'reconnecting') for (const inbox of [...this.#busy]) inbox.fail();
    });
    connection.onClose(() => {
      for (const inbox of [...this.#busy]) inbox.fail();
      for (const pull of [...this.#pulls]) pull.end();
    });
    connection.onBack(() => {
      for (const pull of [...this.#pulls]) pull.renew();
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
    afterWait: AfterWait | undefined = this.#afterWait,
  ): WaitingPull {
    const parked = this.#parked.get(consumer)?.find((each) => each.batch === batch);
    const wait: Wait = new Wait(onMessage, until, () => this.#withdraw(consumer, pull, afterWait));
    const pull: Pull =
      parked ??
      new Pull(this.#connection, `${this.#next}${consumer}`, batch, wait, () => {
        this.#pulls.delete(pull);
        this.#unpark(consumer, pull);
      });
    this.#pulls.add(pull);
    this.#unpark(consumer, pull);
    pull.wait = wait;
    return wait;
  }

  /**
   * In a cluster the server of the consumer learns of the end of a subscription later than this client's server, which drops
   * what comes meanwhile. So the pull stays until it expires: it serves the next wait, or a message that comes before.
   */
  #withdraw(consumer: string, pull: Pull, afterWait: AfterWait | undefined): Promise<void> {
    if (afterWait === undefined || !this.#connection.isClustered) return pull.drain();
    pull.park(afterWait);
    this.#parked.set(consumer, [...(this.#parked.get(consumer) ?? []), pull]);
    return Promise.resolve();
  }

  #unpark(consumer: string, pull: Pull): void {
    const left = this.#parked.get(consumer)?.filter((each) => each !== pull) ?? [];
    if (left.length === 0) this.#parked.delete(consumer);
    else this.#parked.set(consumer, left);
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
    this.#timer = setTimeout(() => this.fail(), SILENCE_MS).unref();
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

/** A wait on a pull. */
class Wait implements WaitingPull {
  readonly over: Promise<boolean>;
  readonly until: number;
  readonly onMessage: (message: Msg) => void;
  isOver = false;
  readonly #withdraw: () => Promise<void>;
  #resolve: (lost: boolean) => void = () => undefined;

  constructor(onMessage: (message: Msg) => void, until: number, withdraw: () => Promise<void>) {
    this.onMessage = onMessage;
    this.until = until;
    this.#withdraw = withdraw;
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  async withdraw(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    await this.#withdraw();
    this.#resolve(false);
  }

  end(lost: boolean): void {
    this.isOver = true;
    this.#resolve(lost);
  }
}

/** A pull that waits on the server. It may outlive its wait, and then serve the next one. */
class Pull {
  readonly batch: number;
  /** Undefined while no receive waits. */
  wait: Wait | undefined;
  #onParked: (message: Msg) => void = (message) => this.#return(message);
  readonly #connection: Connection;
  readonly #subject: string;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #onOver: () => void;
  #left: number;
  #timer: NodeJS.Timeout | undefined;
  isOver = false;

  constructor(connection: Connection, subject: string, batch: number, wait: Wait, onOver: () => void) {
    this.#connection = connection;
    this.#inbox = connection.newInbox();
    this.#subject = subject;
    this.batch = batch;
    this.#left = batch;
    this.wait = wait;
    this.#onOver = onOver;
    this.#subscription = connection.client.subscribe(this.#inbox, { callback: (_, message) => this.#take(message) });
    this.renew();
  }

  /** Asks again: an earlier asking is gone with its connection, or has expired. */
  renew(): void {
    clearTimeout(this.#timer);
    if (this.wait === undefined) {
      this.end();
      return;
    }
    if (this.isOver || !this.#connection.isUp || this.#connection.client.isClosed()) return;
    // A wait that expires leaves no trace on the server. A withdrawn one may disturb the order of redelivered messages.
    const leftMs = Math.max(1, Math.round(this.wait.until - performance.now()));
    const longestMs = this.#connection.isClustered ? CLUSTER_EXPIRES_MS : EXPIRES_MS;
    const expiresMs = Math.min(leftMs, Math.round(longestMs * (1 + Math.random())));
    const request = JSON.stringify({ batch: this.#left, expires: expiresMs * NS });
    this.#connection.publish(this.#subject, request, { reply: this.#inbox });
    this.#timer = setTimeout(() => this.renew(), expiresMs + SILENCE_MS).unref();
  }

  /** Its wait is over, and it stays. */
  park(afterWait: AfterWait): void {
    const { onMessage } = this.wait ?? {};
    this.#onParked = (afterWait === 'handle' && onMessage) || ((message) => this.#return(message));
    this.wait = undefined;
  }

  /** Ends it at once. */
  end(): void {
    this.#finish(false);
  }

  /** Ends it. Messages on their way are delivered before it resolves, if the server of the consumer is this client's. */
  async drain(): Promise<void> {
    this.isOver = true;
    clearTimeout(this.#timer);
    await drain(this.#subscription);
    this.#onOver();
  }

  #take(message: Msg): void {
    const code = statusOf(message);
    if (code === 0) {
      this.#left -= 1;
      if (this.wait !== undefined) this.wait.onMessage(message);
      else this.#onParked(message);
      if (this.#left === 0) this.#finish(false);
    } else if (code === 408 && performance.now() < (this.wait?.until ?? 0)) this.renew();
    else if (code === 408) this.#finish(false);
    else if (code !== 100) this.#finish(true);
  }

  #return(message: Msg): void {
    this.#connection.publish(message.reply ?? '', '-NAK');
  }

  #finish(lost: boolean): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.#timer);
    this.#subscription.unsubscribe();
    this.#onOver();
    this.wait?.end(lost);
  }
}
