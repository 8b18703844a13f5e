/** The replies of one call. */

import type { Message } from '@busbar/api/transport';
import { FRAME, type Head } from '../wire/frame.ts';
import { readMessage } from '../wire/message-codec.ts';
import { CALL_CREDIT } from '../wire/protocol.ts';
import type { HubLine } from './hub-client.ts';

/** What of the credit is given back at once: not with each reply. */
const CREDIT_STEP = CALL_CREDIT / 2;
const DONE: IteratorResult<Message> = { done: true, value: undefined };

/** The replies of one call. Plain, not a generator: leaving it must tell the hub also while a reply is waited for. */
export class Replies implements AsyncIterableIterator<Message> {
  readonly #line: HubLine;
  readonly #id: number;
  /** Replies that came and were not taken yet; the credit bounds them. */
  readonly #arrived: Message[] = [];
  #taken = 0;
  #end: { readonly error: unknown } | undefined;
  #waiting: PromiseWithResolvers<IteratorResult<Message>> | undefined;

  constructor(line: HubLine, head: Head, body: Uint8Array, deadline: number) {
    this.#line = line;
    const { id, answer } = line.track({
      op: 'calls.call',
      head,
      bodies: [body],
      deadline,
      whenLost: 'unknown',
      onPart: (part) => this.#arrive(readMessage(part.head, part.bodies[0])),
    });
    this.#id = id;
    answer.then(
      () => this.#over(undefined),
      (error: unknown) => this.#over(error),
    );
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message>> {
    const reply = this.#arrived.shift();
    if (reply !== undefined) return Promise.resolve(this.#give(reply));
    if (this.#end !== undefined) return ended(this.#end.error);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  return(): Promise<IteratorResult<Message>> {
    if (this.#end === undefined) {
      this.#line.cancel(this.#id);
      this.#over(undefined);
    }
    return Promise.resolve(DONE);
  }

  #arrive(reply: Message): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#arrived.push(reply);
    else waiting.resolve(this.#give(reply));
  }

  #give(value: Message): IteratorResult<Message> {
    this.#taken += 1;
    if (this.#taken % CREDIT_STEP === 0) this.#line.tell(FRAME.credit, this.#id, { count: CREDIT_STEP });
    return { done: false, value };
  }

  #over(error: unknown): void {
    this.#end ??= { error };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) waiting.resolve(ended(this.#end.error));
  }
}

function ended(error: unknown): Promise<IteratorResult<Message>> {
  return error === undefined ? Promise.resolve(DONE) : Promise.reject(error);
}
