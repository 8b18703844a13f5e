/** One call that this process answers. */

import type { CallHandler } from '../../contract/calls.ts';
import { BusbarError } from '../../contract/errors.ts';
import type { Message } from '../../contract/message.ts';
import { Deadline, type DeadlineQueue } from '../deadline-queue.ts';
import { toHandlerError } from '../errors.ts';
import { LazyAbortController } from '../lazy-abort.ts';
import type { Limiter } from '../limiter.ts';
import { completeMessage } from '../message-fields.ts';
import { CALL_WINDOW, type CallAnswer, type CallControl, type CallRequest } from './call-frames.ts';

const ANSWER_BYTES = 262_144;
/** Room for the fields of a reply. */
const HEAD_BYTES = 1_024;

/** What {@link CallTask} takes. */
export interface CallTaskOptions {
  readonly deadlines: DeadlineQueue;
  readonly maxBodyBytes: number;
  /** Calls `flush` at the end of this turn of the event loop. */
  readonly schedule: (flush: () => void) => void;
  /** Sends an answer to the caller. */
  readonly answer: (answer: CallAnswer) => void;
}

/** Runs the handler of one call, and sends its replies: those of one turn together, at most {@link CALL_WINDOW} ahead. */
export class CallTask {
  readonly #options: CallTaskOptions;
  readonly #message: Message;
  readonly #deadline: Deadline | undefined;
  readonly #controller = new LazyAbortController();
  #isOver = false;
  #replies: Message[] = [];
  #bytes = 0;
  #onTheWay = 0;
  #credit: (() => void) | undefined;
  #isScheduled = false;

  constructor({ leftMs, message }: CallRequest, options: CallTaskOptions) {
    this.#options = options;
    this.#message = message;
    if (leftMs === undefined) return;
    this.#deadline = new Deadline(() => this.leave('the time of the call is up'));
    options.deadlines.setIn(this.#deadline, leftMs);
  }

  /** Runs `work` when there is a slot. Never rejects. */
  async run(slots: Limiter, work: CallHandler): Promise<void> {
    try {
      if (!slots.tryAcquire()) await slots.acquire(this.#controller.signal);
    } catch {
      // The call ended while it waited.
      return;
    }
    try {
      for await (const reply of work(this.#message, this.#controller)) {
        if (this.#isOver) break;
        await this.#send(completeMessage(reply, { body: new Uint8Array(reply.body) }));
      }
      this.#end(undefined);
    } catch (error) {
      this.#end(toHandlerError(error));
    } finally {
      slots.release();
    }
  }

  control({ read, left }: CallControl): void {
    if (left) this.leave('the caller left');
    this.#onTheWay -= read ?? 0;
    if (this.#onTheWay < CALL_WINDOW) this.#goOn();
  }

  /** Sends the replies of this turn at its end, or an answer without replies. */
  flushLater(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.schedule(() => {
      if (this.#isScheduled) this.#flush(false, undefined);
    });
  }

  /** The responder closes: the caller gets `error`. */
  abandon(error: BusbarError): void {
    this.#end(error);
    this.leave(error.message);
  }

  /** The response is no longer needed. */
  leave(reason: string): void {
    this.#controller.abort(new BusbarError('ABORTED', reason));
    this.#finish();
  }

  async #send(reply: Message): Promise<void> {
    const size = reply.body.byteLength;
    const { maxBodyBytes } = this.#options;
    if (size > maxBodyBytes) {
      throw new BusbarError('PAYLOAD_TOO_LARGE', `a reply has ${size} bytes, and ${maxBodyBytes} are the most`);
    }
    if (this.#bytes > 0 && this.#bytes + size > ANSWER_BYTES) this.#flush(false, undefined);
    this.#replies.push(reply);
    this.#bytes += size + HEAD_BYTES;
    this.#onTheWay += 1;
    this.flushLater();
    while (this.#onTheWay >= CALL_WINDOW && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#credit = resolve;
      });
    }
  }

  #flush(isEnd: boolean, error: BusbarError | undefined): void {
    this.#isScheduled = false;
    if (this.#isOver) return;
    const replies = this.#replies;
    this.#replies = [];
    this.#bytes = 0;
    this.#options.answer({ replies, isEnd, error });
  }

  #end(error: BusbarError | undefined): void {
    this.#flush(error === undefined, error);
    this.#finish();
  }

  #finish(): void {
    this.#isOver = true;
    if (this.#deadline !== undefined) this.#options.deadlines.cancel(this.#deadline);
    this.#goOn();
  }

  #goOn(): void {
    this.#credit?.();
    this.#credit = undefined;
  }
}
