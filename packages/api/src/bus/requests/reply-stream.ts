/** The stream of replies of a request. */

import { BusbarError } from '../../contract/errors.ts';
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
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  /** `start` sends the request. Its signal fires when the reader leaves. */
  constructor(start: (onPart: PartSink, signal: AbortSignal) => Promise<unknown>) {
    this.#result = start((part) => this.#take(part), this.#leave.signal);
    const end = (): void => {
      this.#isOver = true;
      this.#wakeReader?.();
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
    while (this.#parts.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
    if (this.#parts.length > 0) {
      const value = this.#parts.shift();
      this.#wakeWriter?.();
      return { done: false, value };
    }
    await this.#result;
    return { done: true, value: undefined };
  }

  async #take(part: unknown): Promise<void> {
    if (this.#isSkipped) return;
    this.#parts.push(part);
    this.#wakeReader?.();
    while (this.#parts.length >= MAX_WAITING) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
  }

  #skip(): void {
    this.#isSkipped = true;
    this.#parts.length = 0;
    this.#wakeWriter?.();
  }
}
