/** Calls that this process makes. */

import type { CallContext, PreparedMessage } from '@busbar/api/driver';
import { BusbarError, type Message } from '@busbar/api/transport';
import { createInbox, type Msg } from '@nats-io/transport-node';
import type { Connection } from '../connection/connection.ts';
import { unavailable } from '../errors.ts';
import { type Control, decodeAnswer, encodeRequest, WINDOW } from './frames.ts';

/** All calls of one transport, behind one subscription. */
export class Caller {
  readonly #connection: Connection;
  readonly #inbox = createInbox();
  readonly #calls = new Map<string, Call>();
  #count = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.client.subscribe(`${this.#inbox}.*`, {
      callback: (_error, message) => this.#take(message),
    });
    connection.onState(({ state }) => {
      if (state !== 'reconnecting') return;
      const error = unavailable('the connection was lost, and with it what was replied', { outcome: 'unknown' });
      for (const call of this.#calls.values()) if (call.isSent) call.fail(error);
    });
  }

  /** The replies to a call on `subject`. */
  call(subject: string, message: PreparedMessage, { deadline }: CallContext): AsyncIterable<Message> {
    return {
      [Symbol.asyncIterator]: () => {
        this.#count += 1;
        const id = String(this.#count);
        const call = new Call(this.#connection, () => this.#calls.delete(id));
        this.#calls.set(id, call);
        void this.#send(call, subject, message, deadline, `${this.#inbox}.${id}`);
        return call;
      },
    };
  }

  #take(message: Msg): void {
    const call = this.#calls.get(message.subject.slice(this.#inbox.length + 1));
    if (call !== undefined) call.take(message);
    // The caller left before a responder took its call.
    else if (message.reply) this.#connection.publish(message.reply, JSON.stringify({ left: true } satisfies Control));
  }

  async #send(call: Call, subject: string, message: PreparedMessage, deadline: number, reply: string): Promise<void> {
    if (!this.#connection.isUp) await this.#connection.whenUp();
    if (call.isOver) return;
    const leftMs = deadline === Number.POSITIVE_INFINITY ? undefined : deadline - performance.now();
    call.isSent = true;
    this.#connection.publish(subject, encodeRequest({ leftMs, message }), { reply }, (error) => call.fail(error));
  }
}

/** One call: its replies as they come. */
class Call implements AsyncIterator<Message> {
  isSent = false;
  isOver = false;
  readonly #connection: Connection;
  readonly #onOver: () => void;
  readonly #replies: Message[] = [];
  /** Where its responder listens, once one has it. */
  #control: string | undefined;
  #read = 0;
  #error: BusbarError | undefined;
  #waiting: { resolve(result: IteratorResult<Message>): void; reject(error: BusbarError): void } | undefined;

  constructor(connection: Connection, onOver: () => void) {
    this.#connection = connection;
    this.#onOver = onOver;
  }

  next(): Promise<IteratorResult<Message>> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#serve();
    });
  }

  /** The caller has left, or has all. */
  async return(): Promise<IteratorResult<Message>> {
    if (!this.isOver) {
      this.#end();
      if (this.#control !== undefined) this.#publish({ left: true });
      this.#serve();
    }
    return { done: true, value: undefined };
  }

  take(message: Msg): void {
    if (message.headers?.code === 503) {
      this.fail(
        new BusbarError('NO_RESPONDER', 'nobody serves this address', { hint: 'Start one, or ask with durable.' }),
      );
      return;
    }
    if (message.reply) this.#control = message.reply;
    const { replies, isEnd, error } = decodeAnswer(message.data);
    this.#replies.push(...replies);
    if (error !== undefined) this.fail(error);
    else if (isEnd) this.#end();
    this.#serve();
  }

  /** Ends it with `error`, behind the replies that are there. */
  fail(error: BusbarError): void {
    this.#error = error;
    this.#end();
    this.#serve();
  }

  #end(): void {
    this.isOver = true;
    this.#onOver();
  }

  #serve(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const reply = this.#replies.shift();
    if (reply === undefined && !this.isOver) return;
    this.#waiting = undefined;
    if (reply !== undefined) {
      this.#count();
      waiting.resolve({ done: false, value: reply });
    } else if (this.#error === undefined) waiting.resolve({ done: true, value: undefined });
    else waiting.reject(this.#error);
  }

  /** Lets the responder go on, half a window at a time. */
  #count(): void {
    this.#read += 1;
    if (this.#read < WINDOW / 2 || this.isOver) return;
    this.#publish({ read: this.#read });
    this.#read = 0;
  }

  #publish(control: Control): void {
    if (this.#control !== undefined && this.#connection.isUp) {
      this.#connection.publish(this.#control, JSON.stringify(control));
    }
  }
}
