/** Calls that this process answers. */

import { completeMessage, Deadline, DeadlineQueue, Limiter, toHandlerError } from '@busbar/api/driver';
import { BusbarError, type Message, type MessageInput, type Service } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import type { Connection } from '../connection/connection.ts';
import { drain } from '../connection/puller.ts';
import { toNatsError } from '../errors.ts';
import { type Control, decodeRequest, encodeAnswer, WINDOW } from './frames.ts';

type Handler = (message: Message, signal: AbortSignal) => AsyncIterable<MessageInput>;

/** All that share an address share its calls. */
const GROUP = 'busbar';
const ANSWER_BYTES = 262_144;

/** Answers the calls of one transport, with one subscription for control messages of callers. */
export class Responder {
  readonly connection: Connection;
  readonly deadlines: DeadlineQueue = new DeadlineQueue();
  readonly maxBodyBytes: number;
  readonly #inbox: string;
  readonly #tasks = new Map<string, Task>();
  #count = 0;

  constructor(connection: Connection, maxBodyBytes: number) {
    this.connection = connection;
    this.#inbox = connection.newInbox();
    this.maxBodyBytes = maxBodyBytes;
    connection.client.subscribe(`${this.#inbox}.*`, {
      callback: (_error, message) => {
        this.#tasks.get(message.subject.slice(this.#inbox.length + 1))?.control(message.json<Control>());
      },
    });
  }

  /** Answers calls on `subject`, up to `max` at a time. */
  async serve(subject: string, max: number, handler: Handler): Promise<Service> {
    const turns = new Limiter(max);
    let refusal: Error | undefined;
    const subscription = this.connection.client.subscribe(subject, {
      queue: GROUP,
      callback: (error, message) => {
        if (error !== null) refusal = error;
        else if (message.reply) void this.#answer(turns, handler, message);
      },
    });
    await this.connection.flush();
    if (refusal !== undefined) throw toNatsError(refusal);
    const close = async (): Promise<void> => {
      await drain(subscription);
      await turns.whenIdle();
    };
    return { close, [Symbol.asyncDispose]: close };
  }

  /** Ends running calls: their callers get CLOSED. */
  close(): void {
    this.deadlines.clear();
    for (const task of this.#tasks.values()) task.abandon(new BusbarError('CLOSED', 'the responder closed'));
  }

  async #answer(turns: Limiter, handler: Handler, message: Msg): Promise<void> {
    this.#count += 1;
    const id = String(this.#count);
    const task = new Task(this, message.reply ?? '', `${this.#inbox}.${id}`, message.data);
    this.#tasks.set(id, task);
    try {
      await turns.acquire(task.signal);
    } catch {
      // The call ended while it waited for a turn.
      this.#tasks.delete(id);
      return;
    }
    try {
      await task.run(handler);
    } finally {
      this.#tasks.delete(id);
      turns.release();
    }
  }
}

/** One call under way. */
class Task {
  isOver = false;
  readonly #responder: Responder;
  readonly #caller: string;
  readonly #control: string;
  readonly #message: Message;
  readonly #deadline: Deadline | undefined;
  readonly #controller = new AbortController();
  #replies: Message[] = [];
  #bytes = 0;
  #onTheWay = 0;
  #credit: (() => void) | undefined;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(responder: Responder, caller: string, control: string, data: Uint8Array) {
    this.#responder = responder;
    this.#caller = caller;
    this.#control = control;
    const { leftMs, message } = decodeRequest(data);
    this.#message = message;
    this.#flushLater();
    if (leftMs === undefined) return;
    this.#deadline = new Deadline(() => this.#leave('the time of the call is up'));
    responder.deadlines.setIn(this.#deadline, leftMs);
  }

  control({ read, left }: Control): void {
    if (left) this.#leave('the caller left');
    this.#onTheWay -= read ?? 0;
    if (this.#onTheWay < WINDOW) this.#goOn();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async run(handler: Handler): Promise<void> {
    try {
      for await (const reply of handler(this.#message, this.#controller.signal)) {
        if (this.isOver) break;
        await this.#send(completeMessage(reply, { body: new Uint8Array(reply.body) }));
      }
      this.#end(undefined);
    } catch (error) {
      this.#end(toHandlerError(error));
    }
  }

  /** Sends the replies of this turn at its end. Without replies it tells the caller that its call was taken. */
  #flushLater(): void {
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      this.#flush(false, undefined);
    });
  }

  abandon(error: BusbarError): void {
    this.#end(error);
    this.#leave(error.message);
  }

  async #send(reply: Message): Promise<void> {
    const size = reply.body.byteLength;
    if (size > this.#responder.maxBodyBytes) {
      throw new BusbarError(
        'PAYLOAD_TOO_LARGE',
        `a reply has ${size} bytes, and ${this.#responder.maxBodyBytes} are the most`,
      );
    }
    if (this.#bytes > 0 && this.#bytes + size > ANSWER_BYTES) this.#flush(false, undefined);
    this.#replies.push(reply);
    this.#bytes += size + 1_024;
    this.#onTheWay += 1;
    this.#flushLater();
    while (this.#onTheWay >= WINDOW && !this.isOver) {
      await new Promise<void>((resolve) => {
        this.#credit = resolve;
      });
    }
  }

  #flush(isEnd: boolean, error: BusbarError | undefined): void {
    const { connection } = this.#responder;
    if (this.isOver || connection.client.isClosed()) return;
    const replies = this.#replies;
    this.#replies = [];
    this.#bytes = 0;
    connection.publish(this.#caller, encodeAnswer({ replies, isEnd, error }), { reply: this.#control });
  }

  #end(error: BusbarError | undefined): void {
    this.#flush(error === undefined, error);
    this.#finish();
  }

  #leave(reason: string): void {
    this.#controller.abort(new BusbarError('ABORTED', reason));
    this.#finish();
  }

  #finish(): void {
    this.isOver = true;
    clearImmediate(this.#scheduled);
    if (this.#deadline !== undefined) this.#responder.deadlines.cancel(this.#deadline);
    this.#goOn();
  }

  #goOn(): void {
    this.#credit?.();
    this.#credit = undefined;
  }
}
