/** Calls that this process answers. */

import { Deadline, DeadlineQueue, type PreparedMessage } from '@busbar/api/driver';
import { BusbarError, isBusbarError, type Message, type MessageInput, type Service } from '@busbar/api/transport';
import { createInbox, type Msg, type Subscription } from '@nats-io/transport-node';
import type { Connection } from '../connection/connection.ts';
import { toMessage } from './codec.ts';
import { type Control, decodeRequest, encodeAnswer, toReply, WINDOW } from './frames.ts';

type Handler = (message: Message, signal: AbortSignal) => AsyncIterable<MessageInput>;

/** All that share an address share its calls. */
const GROUP = 'busbar';
const ANSWER_BYTES = 262_144;
const DRAIN_MS = 1_000;

/** Everything this transport answers, behind one subscription for what callers say later. */
export class Responder {
  readonly connection: Connection;
  readonly deadlines: DeadlineQueue = new DeadlineQueue();
  readonly maxBodyBytes: number;
  readonly #inbox = createInbox();
  readonly #tasks = new Map<string, Task>();
  #count = 0;

  constructor(connection: Connection, maxBodyBytes: number) {
    this.connection = connection;
    this.maxBodyBytes = maxBodyBytes;
    connection.client.subscribe(`${this.#inbox}.*`, {
      callback: (_error, message) => {
        this.#tasks.get(message.subject.slice(this.#inbox.length + 1))?.control(message.json<Control>());
      },
    });
  }

  /** Answers calls on `subject`, up to `max` at a time. */
  async serve(subject: string, max: number, handler: Handler): Promise<Service> {
    const turns = new Turns(max);
    const subscription = this.connection.client.subscribe(subject, {
      queue: GROUP,
      callback: (error, message) => {
        if (error === null && message.reply) void this.#answer(turns, handler, message);
      },
    });
    await this.connection.client.flush();
    const close = async (): Promise<void> => {
      await this.#drain(subscription);
      await turns.idle();
    };
    return { close, [Symbol.asyncDispose]: close };
  }

  /** Ends what still runs: its callers hear that this side closed. */
  close(): void {
    this.deadlines.clear();
    for (const task of this.#tasks.values()) task.abandon(new BusbarError('CLOSED', 'the responder closed'));
  }

  /** Takes what is on its way already, from a server that answers. */
  async #drain(subscription: Subscription): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const isLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DRAIN_MS);
    });
    const drained = subscription.drain().catch(() => undefined); // The connection ended meanwhile.
    await Promise.race([drained, isLate]);
    clearTimeout(timer);
  }

  async #answer(turns: Turns, handler: Handler, message: Msg): Promise<void> {
    this.#count += 1;
    const id = String(this.#count);
    const task = new Task(this, message.reply ?? '', `${this.#inbox}.${id}`, message.data);
    this.#tasks.set(id, task);
    await turns.take(task);
    try {
      if (!task.isOver) await task.run(handler);
    } finally {
      this.#tasks.delete(id);
      turns.done();
    }
  }
}

/** Lets as many run at a time as there may; the others wait in line. */
class Turns {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #whenIdle: (() => void)[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  async take(task: Task): Promise<void> {
    if (this.#running < this.#max) {
      this.#running += 1;
      return;
    }
    task.flushLater();
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Hands its place to the next that waits. */
  done(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next();
    else this.#running -= 1;
    if (this.#running === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
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
  #replies: PreparedMessage[] = [];
  #bytes = 0;
  #onTheWay = 0;
  #credit: (() => void) | undefined;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(responder: Responder, caller: string, control: string, data: Uint8Array) {
    this.#responder = responder;
    this.#caller = caller;
    this.#control = control;
    const { leftMs, message } = decodeRequest(data);
    this.#message = toMessage(message);
    if (leftMs === undefined) return;
    this.#deadline = new Deadline(() => this.#leave('the time of the call is up'));
    responder.deadlines.setIn(this.#deadline, leftMs);
  }

  control({ read, left }: Control): void {
    if (left) this.#leave('the caller left');
    this.#onTheWay -= read ?? 0;
    if (this.#onTheWay < WINDOW) this.#goOn();
  }

  async run(handler: Handler): Promise<void> {
    this.flushLater();
    try {
      for await (const reply of handler(this.#message, this.#controller.signal)) {
        if (this.isOver) break;
        await this.#send(toReply(reply));
      }
      this.#end(undefined);
    } catch (error) {
      this.#end(toHandlerError(error));
    }
  }

  /** Says at the end of this turn what there is to say, and that the call was taken where that is nothing. */
  flushLater(): void {
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      this.#flush(false, undefined);
    });
  }

  abandon(error: BusbarError): void {
    this.#end(error);
    this.#leave(error.message);
  }

  async #send(reply: PreparedMessage): Promise<void> {
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
    this.flushLater();
    while (this.#onTheWay >= WINDOW && !this.isOver) {
      await new Promise<void>((resolve) => {
        this.#credit = resolve;
      });
    }
  }

  #flush(isEnd: boolean, error: BusbarError | undefined): void {
    const { client } = this.#responder.connection;
    if (this.isOver || client.isClosed()) return;
    const replies = this.#replies;
    this.#replies = [];
    this.#bytes = 0;
    client.publish(this.#caller, encodeAnswer({ replies, isEnd, error }), { reply: this.#control });
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

function toHandlerError(error: unknown): BusbarError {
  if (isBusbarError(error)) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new BusbarError('HANDLER_FAILED', text, { cause: error });
}
