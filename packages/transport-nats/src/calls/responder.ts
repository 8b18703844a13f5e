/** Calls that this process answers. */

import { type CallControl, CallTask, DeadlineQueue, Limiter } from '@busbar/api/driver';
import { BusbarError, type CallHandler, type Service } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import type { Connection } from '../connection/connection.ts';
import { drain } from '../connection/puller.ts';
import { toNatsError } from '../errors.ts';
import { decodeRequest, encodeAnswer } from './frames.ts';

/** All that share an address share its calls. */
const GROUP = 'busbar';

/** Answers the calls of one transport, with one subscription for control messages of callers. */
export class Responder {
  readonly #connection: Connection;
  readonly #deadlines = new DeadlineQueue();
  readonly #maxBodyBytes: number;
  readonly #inbox: string;
  readonly #tasks = new Map<string, CallTask>();
  #count = 0;

  constructor(connection: Connection, maxBodyBytes: number) {
    this.#connection = connection;
    this.#inbox = connection.newInbox();
    this.#maxBodyBytes = maxBodyBytes;
    connection.client.subscribe(`${this.#inbox}.*`, {
      callback: (_error, message) => {
        this.#tasks.get(message.subject.slice(this.#inbox.length + 1))?.control(message.json<CallControl>());
      },
    });
  }

  /** Answers calls on `subject`, up to `max` at a time. */
  async serve(subject: string, max: number, handler: CallHandler): Promise<Service> {
    const slots = new Limiter(max);
    let refusal: Error | undefined;
    const subscription = this.#connection.client.subscribe(subject, {
      queue: GROUP,
      callback: (error, message) => {
        if (error !== null) refusal = error;
        else if (message.reply) void this.#answer(slots, handler, message);
      },
    });
    await this.#connection.flush();
    if (refusal !== undefined) throw toNatsError(refusal);
    const close = async (): Promise<void> => {
      await drain(subscription);
      await slots.whenIdle();
    };
    return { close, [Symbol.asyncDispose]: close };
  }

  /** Ends running calls: their callers get CLOSED. */
  close(): void {
    this.#deadlines.clear();
    for (const task of this.#tasks.values()) task.abandon(new BusbarError('CLOSED', 'the responder closed'));
  }

  async #answer(slots: Limiter, handler: CallHandler, { data, reply = '' }: Msg): Promise<void> {
    const connection = this.#connection;
    this.#count += 1;
    const id = String(this.#count);
    const task = new CallTask(decodeRequest(data), {
      deadlines: this.#deadlines,
      maxBodyBytes: this.#maxBodyBytes,
      schedule: (flush) => void setImmediate(flush),
      answer: (answer) => {
        if (connection.client.isClosed()) return;
        connection.publish(reply, encodeAnswer(answer), { reply: `${this.#inbox}.${id}` });
      },
    });
    this.#tasks.set(id, task);
    // The first answer says where the caller reaches this task.
    task.flushLater();
    await task.run(slots, handler);
    this.#tasks.delete(id);
  }
}
