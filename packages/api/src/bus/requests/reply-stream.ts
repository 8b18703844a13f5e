/** The stream of replies of a request. */

import { BusbarError } from '../../contract/errors.ts';
import { Condition } from '../../driver-kit/condition.ts';
import type { ReplyStream } from './options.ts';

/** Takes a part. Resolves when there is room for the next. */
export type PartSink = (part: unknown) => Promise<void>;

const MAX_WAITING = 16;

/** The replies of a running request. */
export class LiveReplyStream implements ReplyStream<unknown, unknown> {
  readonly #result: Promise<unknown>;
  readonly #leave = new AbortController();
  readonly #parts: unknown[] = [];
  #isRead = false;
  #isSkipped = false;
  #isOver = false;
  readonly #partAdded = new Condition();
  readonly #partTaken = new Condition();

  /** `start` sends the request. Its signal fires when the reader leaves. */
  constructor(start: (onPart: PartSink, signal: AbortSignal) => Promise<unknown>) {
    this.#result = start((part) => this.#take(part), this.#leave.signal);
    const end = (): void => {
      this.#isOver = true;
      this.#partAdded.notify();
    };
    this.#result.then(end, end);
  }

  get result(): Promise<unknown> {
    if (!this.#isRead) this.#skip();
    return this.#result;
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    this.#isRead = true;
    this.#isSkipped = false;
    return {
      next: () => this.#next(),
      return: async () => {
        this.#leave.abort(new BusbarError('ABORTED', 'the reader left the stream'));
        this.#skip();
        return { done: true, value: undefined };
      },
    };
  }

  async #next(): Promise<IteratorResult<unknown>> {
    while (this.#parts.length === 0 && !this.#isOver) await this.#partAdded.wait();
    if (this.#parts.length > 0) {
      const value = this.#parts.shift();
      this.#partTaken.notify();
      return { done: false, value };
    }
    await this.#result;
    return { done: true, value: undefined };
  }

  async #take(part: unknown): Promise<void> {
    if (this.#isSkipped) return;
    this.#parts.push(part);
    this.#partAdded.notify();
    while (this.#parts.length >= MAX_WAITING) await this.#partTaken.wait();
  }

  #skip(): void {
    this.#isSkipped = true;
    this.#parts.length = 0;
    this.#partTaken.notify();
  }
}
