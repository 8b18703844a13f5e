/** Requests as askers see them: their options, and replies that stream. */

import { invalid } from '../../contract/errors.ts';
import { checkBoolean, checkDuration, checkSignal, MAX_DURATION_MS, MAX_TIMER_MS } from '../../contract/validation.ts';
import { checkMessageOptions, type MessageOptions } from '../messages/message-options.ts';

/** What may be said of a request. */
export interface RequestOptions extends MessageOptions {
  /**
   * How long to wait for the response, 1 to 2^31-1, Infinity for ever. Default 30,000. It travels with the request, so that
   * nobody works for an requester who has gone.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Through the inbox of the responder: the request waits for it, and survives restarts of both sides. It is handled at
   * least once and answered once. Asking again with the same `id`, in the name of the same agent, picks up the response,
   * or asks anew where the first request expired unread.
   * Default false: at most once, NO_RESPONDER at once where no live instance is there.
   */
  readonly durable?: boolean | undefined;
  /** With `durable`: how long the request waits and its response is kept. Default: `timeoutMs`. */
  readonly ttlMs?: number | undefined;
}

/** Replies on their way: progress and partial results by `for await`, in order, and the response. Begins when it is made. */
export interface ReplyStream<P, R> extends AsyncIterable<P> {
  /** The final response. Who asks for it without a loop that reads the parts skips them. */
  readonly result: Promise<R>;
}

const KEYS = [...['id', 'headers', 'priority', 'correlationId', 'ttlMs', 'timeoutMs', 'signal'], 'durable'] as const;

/** Throws INVALID_ARGUMENT unless these are legal options of a request. */
export function checkRequestOptions(options: RequestOptions | undefined): void {
  if (options === undefined) return;
  checkMessageOptions(options, KEYS, 'request options');
  checkBoolean(options.durable, 'durable');
  checkDuration(options.timeoutMs, 'timeoutMs', { min: 1, max: MAX_TIMER_MS, infinity: true });
  checkDuration(options.ttlMs, 'ttlMs', { min: 1, max: MAX_DURATION_MS });
  checkSignal(options.signal);
  if (options.ttlMs !== undefined && options.durable !== true) {
    throw invalid('ttlMs is for durable requests', 'timeoutMs is how long a request that is not durable lives.');
  }
}
