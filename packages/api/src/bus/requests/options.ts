/** Options of requests, and streams of replies. */

import { invalid } from '../../contract/errors.ts';
import { checkBoolean, checkDuration, checkSignal, MAX_DURATION_MS, MAX_TIMER_MS } from '../../contract/validation.ts';
import { checkMessageOptions, type MessageOptions } from '../messages/message-options.ts';

/** Options of a request; `ttlMs` is for durable ones. */
export type RequestOptions = LiveRequestOptions | DurableRequestOptions;

/** Options of every request. */
interface WaitOptions extends Omit<MessageOptions, 'ttlMs'> {
  /**
   * How long to wait for the response, 1 to 2^31-1, Infinity for no limit. Default 30,000. The responder knows it: the
   * signal of its handler fires at that time.
   */
  readonly timeoutMs?: number | undefined;
}

/** Options of a request to an agent that is online. */
export interface LiveRequestOptions extends WaitOptions {
  readonly durable?: false | undefined;
  readonly ttlMs?: undefined;
}

/** Options of a request that waits in the inbox of its responder. */
export interface DurableRequestOptions extends WaitOptions {
  /**
   * Sends the request to the inbox of the responder, where it waits and survives restarts of both sides. It is handled at
   * least once and gets one response. The same agent gets that response when it repeats the request with the same `id`.
   * Default false: at most once, and NO_RESPONDER at once when no instance is online.
   */
  readonly durable: true;
  /** How long the request waits and its response is stored. Default: `timeoutMs`. */
  readonly ttlMs?: number | undefined;
}

/** The replies of one request: parts and progress with `for await`, in order, and the response. It starts at once. */
export interface ReplyStream<P, R> extends AsyncIterable<P> {
  /** The response. Without a loop over the parts, reading it skips them. */
  readonly result: Promise<R>;
}

const KEYS = [...['id', 'headers', 'priority', 'correlationId', 'ttlMs', 'timeoutMs', 'signal'], 'durable'] as const;

/** Throws INVALID_ARGUMENT for illegal options. */
export function checkRequestOptions(options: RequestOptions | undefined): void {
  if (options === undefined) return;
  checkMessageOptions(options, KEYS, 'request options');
  checkBoolean(options.durable, 'durable');
  checkDuration(options.timeoutMs, 'timeoutMs', { min: 1, max: MAX_TIMER_MS, infinity: true });
  checkDuration(options.ttlMs, 'ttlMs', { min: 1, max: MAX_DURATION_MS });
  checkSignal(options.signal);
  if (options.ttlMs !== undefined && options.durable !== true) {
    throw invalid('ttlMs is for durable requests', 'Use timeoutMs for a request that is not durable.');
  }
}
