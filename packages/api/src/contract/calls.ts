/** The fast path of requests of a transport. */

import type { CallOptions } from './call-options.ts';
import type { Message, MessageInput } from './message.ts';

/** The fast path of requests: at most once, and nothing is stored. */
export interface Calls {
  /**
   * `user`: calls reach only servers of the same user on the same host. `transport`: only servers that use this transport,
   * not those that open its store in another way. Then requests to others use queues. Default: all servers of an address.
   */
  readonly reach?: 'user' | 'transport' | undefined;
  /**
   * Serves calls to `address`, up to `max` at a time (1 to 10,000, default 16); further calls wait. Several servers of one
   * address share its calls. Yielded messages are sent back in order. An error of the handler reaches the caller as
   * HANDLER_FAILED.
   */
  serve(address: string, options: ServeOptions, handler: CallHandler): Promise<Service>;
  /**
   * Calls one server of `address` and yields its replies. At most 64 replies are sent ahead of a slow reader. Rejects with
   * NO_RESPONDER without a server, TIMEOUT after `timeoutMs` (which the server knows), CLOSED when either side closes.
   * Leaving the loop early cancels the call.
   */
  call(address: string, message: MessageInput, options?: CallOptions): AsyncIterable<Message>;
}

export interface ServeOptions {
  readonly max?: number | undefined;
}

/** A call, for the handler that serves it. */
export interface IncomingCall {
  /** Fires when the caller left or timed out. It is made on first use: most calls end without it. */
  readonly signal: AbortSignal;
}

/** The replies to a call. */
export interface Replies extends AsyncIterable<MessageInput> {
  /** Whether the reply that was read last is the last one. Undefined: only a further read shows that. */
  readonly isEnded?: boolean;
}

export type CallHandler = (message: Message, call: IncomingCall) => Replies;

/** A server of calls. After `close` it takes no more calls; the promise resolves when running ones have ended. */
export interface Service extends AsyncDisposable {
  close(): Promise<void>;
}
