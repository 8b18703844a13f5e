/** Calls that this process makes. */

import { CALL_WINDOW, type CallContext, type CallControl, CallReplies, type PreparedMessage } from '@busbar/api/driver';
import { BusbarError, type Message } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import type { Connection } from '../connection/connection.ts';
import { unavailable } from '../errors.ts';
import { decodeAnswer, encodeRequest } from './frames.ts';

/** All calls of one transport, behind one subscription. */
export class Caller {
  readonly #connection: Connection;
  readonly #inbox: string;
  readonly #calls = new Map<string, Call>();
  #count = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#inbox = connection.newInbox();
    connection.client.subscribe(`${this.#inbox}.*`, {
      callback: (_error, message) => this.#take(message),
    });
    connection.onState(({ state }) => {
      if (state !== 'reconnecting') return;
      const error = unavailable('the connection was lost, and with it what was replied', { outcome: 'unknown' });
      for (const call of this.#calls.values()) if (call.isSent) call.end(error);
    });
  }

  /** The replies to a call on `subject`. */
  call(subject: string, message: PreparedMessage, { deadline }: CallContext): AsyncIterable<Message> {
    this.#count += 1;
    const id = String(this.#count);
    const call = new Call(this.#connection, () => this.#calls.delete(id));
    this.#calls.set(id, call);
    void this.#send(call, subject, message, deadline, `${this.#inbox}.${id}`);
    return call.replies;
  }

  #take(message: Msg): void {
    const call = this.#calls.get(message.subject.slice(this.#inbox.length + 1));
    if (call !== undefined) call.take(message);
    // The caller left before a responder took its call.
    else if (message.reply)
      this.#connection.publish(message.reply, JSON.stringify({ left: true } satisfies CallControl));
  }

  async #send(call: Call, subject: string, message: PreparedMessage, deadline: number, reply: string): Promise<void> {
    if (!this.#connection.isUp) await this.#connection.whenUp();
    if (call.replies.isOver) return;
    const leftMs = deadline === Number.POSITIVE_INFINITY ? undefined : deadline - performance.now();
    call.isSent = true;
    this.#connection.publish(subject, encodeRequest({ leftMs, message }), { reply }, (error) => call.end(error));
  }
}

/** One call, and its replies as they come. */
class Call {
  isSent = false;
  readonly replies: CallReplies;
  readonly #connection: Connection;
  readonly #onOver: () => void;
  /** Where its responder listens, once one has it. */
  #control: string | undefined;

  constructor(connection: Connection, onOver: () => void) {
    this.#connection = connection;
    this.#onOver = onOver;
    this.replies = new CallReplies({
      window: CALL_WINDOW,
      onRead: (read) => this.#publish({ read }),
      onLeave: () => {
        this.#onOver();
        this.#publish({ left: true });
      },
    });
  }

  take(message: Msg): void {
    if (message.headers?.code === 503) {
      this.end(
        new BusbarError('NO_RESPONDER', 'no instance serves this address', { hint: 'Start one, or ask with durable.' }),
      );
      return;
    }
    if (message.reply) this.#control = message.reply;
    const { replies, isEnd, error } = decodeAnswer(message.data);
    for (const reply of replies) this.replies.arrive(reply);
    if (isEnd || error !== undefined) this.end(error);
  }

  /** Ends it behind the replies that are there, with `error` if it is defined. */
  end(error: BusbarError | undefined): void {
    this.#onOver();
    this.replies.end(error);
  }

  #publish(control: CallControl): void {
    if (this.#control !== undefined && this.#connection.isUp) {
      this.#connection.publish(this.#control, JSON.stringify(control));
    }
  }
}
