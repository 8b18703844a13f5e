/** The replies to a call on their way from a responder to the caller. */

import type { Message } from '../../contract/message.ts';

/** What {@link CallReplies} takes. */
export interface CallRepliesOptions {
  /** How many replies may be on their way. */
  readonly window: number;
  /** Called after each half of the window: the caller has read `count` more replies. */
  readonly onRead: (count: number) => void;
  /** Called once if the caller leaves before the end. */
  readonly onLeave: () => void;
}

const DONE: IteratorResult<Message> = { done: true, value: undefined };

/** The replies of one call. It is not a generator, since `return` must end the call while `next` is pending. */
export class CallReplies implements AsyncIterableIterator<Message> {
  readonly #options: CallRepliesOptions;
  /** Replies that were not read yet. The window limits their number. */
  readonly #arrived: Message[] = [];
  #read = 0;
  #end: { readonly error: unknown } | undefined;
  #waiting: PromiseWithResolvers<IteratorResult<Message>> | undefined;

  constructor(options: CallRepliesOptions) {
    this.#options = options;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message>> {
    const reply = this.#arrived.shift();
    if (reply !== undefined) return Promise.resolve(this.#take(reply));
    if (this.#end !== undefined) return ended(this.#end.error);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  return(): Promise<IteratorResult<Message>> {
    if (!this.isOver) {
      this.end(undefined);
      this.#options.onLeave();
    }
    return Promise.resolve(DONE);
  }

  /** Adds a reply. */
  arrive(reply: Message): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#arrived.push(reply);
    else waiting.resolve(this.#take(reply));
  }

  /** Ends the call behind the replies that have arrived, with `error` if it is defined. */
  end(error: unknown): void {
    this.#end ??= { error };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) waiting.resolve(ended(this.#end.error));
  }

  #take(value: Message): IteratorResult<Message> {
    this.#read += 1;
    if (this.#read >= this.#options.window / 2 && !this.isOver) {
      this.#options.onRead(this.#read);
      this.#read = 0;
    }
    return { done: false, value };
  }
}

function ended(error: unknown): Promise<IteratorResult<Message>> {
  return error === undefined ? Promise.resolve(DONE) : Promise.reject(error);
}
