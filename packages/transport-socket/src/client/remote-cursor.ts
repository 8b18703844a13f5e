/** A place in a stream that the hub reads for this client; found again after a lost connection. */

import type { CallContext } from '@busbar/api/driver';
import type { Frame, Head } from '../wire/frame.ts';
import type { HubLine } from './hub-client.ts';
import { ConnectionLost } from './pending-request.ts';

/** What there is to read, and how to ask for it. */
export interface RemoteSource {
  readonly op: string;
  /** Where to begin, now: it moves on with what was read. */
  head(): Head;
  /** The hub has opened it. */
  opened?(answer: Frame): void;
  /** Something came while the hub waits for more. */
  moved?(part: Frame): void;
}

/** Asks the hub for the next of `source`, one batch at a time: asking is the credit. */
export class RemoteCursor {
  readonly #line: HubLine;
  readonly #source: RemoteSource;
  #cursor: number | undefined;
  /** The connection that {@link #cursor} belongs to. */
  #epoch = -1;
  #underWay: { readonly id: number; readonly isOpening: boolean } | undefined;
  isClosed = false;

  constructor(line: HubLine, source: RemoteSource) {
    this.#line = line;
    this.#source = source;
  }

  /** Opens it. What it rejects with is final, but for a lost connection. */
  async open(context?: CallContext): Promise<void> {
    const { op } = this.#source;
    const deadline = context?.deadline ?? Number.POSITIVE_INFINITY;
    const { id, answer } = this.#line.track({ op, head: this.#source.head(), deadline, whenLost: 'repeat' });
    const opened = await this.#await(id, answer, true);
    this.#cursor = id;
    this.#epoch = this.#line.epoch;
    this.#source.opened?.(opened);
    if (this.isClosed) this.#release();
  }

  /** The next batch; undefined once it is closed. */
  async next(max: number): Promise<Frame | undefined> {
    while (!this.isClosed) {
      try {
        if (this.#epoch !== this.#line.epoch) await this.open();
        if (this.isClosed) break;
        return await this.#ask(max);
      } catch (error) {
        if (this.isClosed) break;
        if (!(error instanceof ConnectionLost)) throw error;
      }
    }
    return undefined;
  }

  /** The next batch of what cannot be begun in the middle: a lost connection ends it. */
  nextOnce(max: number): Promise<Frame> {
    return this.#ask(max);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const { id, isOpening } = this.#underWay ?? {};
    // What was being opened must be closed at the hub: its answer says what.
    if (id !== undefined) this.#line.cancel(id, isOpening === true ? 'matters' : 'is nothing');
    this.#release();
  }

  async #ask(max: number): Promise<Frame> {
    const { id, answer } = this.#line.track({
      op: 'cursor.next',
      head: { cursor: this.#cursor, max },
      deadline: Number.POSITIVE_INFINITY,
      whenLost: 'failed',
      isWait: true,
      onPart: (part) => this.#source.moved?.(part),
    });
    return this.#await(id, answer, false);
  }

  /** What is under way ends when the cursor is closed, also while there is no connection. */
  async #await(id: number, answer: Promise<Frame>, isOpening: boolean): Promise<Frame> {
    this.#underWay = { id, isOpening };
    try {
      return await answer;
    } finally {
      this.#underWay = undefined;
    }
  }

  #release(): void {
    if (this.#cursor === undefined || this.#epoch !== this.#line.epoch) return;
    const plan = { op: 'cursor.close', head: { cursor: this.#cursor }, deadline: Number.POSITIVE_INFINITY } as const;
    this.#cursor = undefined;
    this.#line.request({ ...plan, whenLost: 'failed' }).catch(() => undefined);
  }
}
