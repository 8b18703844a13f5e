/** Requests as askers see them: their options, and replies that stream. */

import type { MessageOptions } from './message-options.ts';

/** What may be said of a request. `timeoutMs` (default 30,000) travels with it: nobody works for an asker who has gone. */
export interface RequestOptions extends Omit<MessageOptions, 'ttlMs'> {
  /**
   * Through the inbox of the responder, so that the request survives restarts of both sides; asking again with the same
   * `id` picks up the answer. Default false: at most once, NO_RESPONDER at once where no live instance is there.
   */
  readonly durable?: boolean;
}

/** Replies on their way: progress and partial results by `for await`, in order, and the answer. Begins when it is made. */
export interface ReplyStream<P, R> extends AsyncIterable<P> {
  /** The final answer. Waiting for it alone skips the parts. */
  readonly result: Promise<R>;
}
