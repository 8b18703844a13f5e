/** The context of a handler: its signal, its progress, and operations under the origin of the message. */

import { BusbarError, type ErrorCode, isBusbarError } from '../../contract/errors.ts';
import type { ChildResult } from '../flows/child-result.ts';
import type { Origin } from '../messages/causation.ts';
import type { MessageSource } from '../observing/message-source.ts';
import { type Operations, OriginSender, type Sender } from '../operations.ts';
import { InvalidOutputError } from './failure.ts';

/** The codes of values that can never be sent. */
const UNSENDABLE: ReadonlySet<ErrorCode> = new Set(['INVALID_ARGUMENT', 'PAYLOAD_TOO_LARGE']);

/** The level of a line in an agent's log. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/**
 * The second argument of a handler. Messages sent through it have ids that are derived from the id of the handled message,
 * the target, the type and the body. So a message that is handled twice sends an equal message once, while the dedupe window
 * of the target lasts. Another body is another message. `hops` ends loops between agents. Requests made through it end when
 * its signal fires. Its methods can be taken from it: `({ body }, { publish }) => …`.
 */
export interface Context extends Sender {
  /** Fires when the result is no longer needed: the lease was lost, the requester left, or the bus closes. */
  readonly signal: AbortSignal;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** The queue, the agent or the subscription of the handler. */
  readonly source: MessageSource;
  /** Reports progress: to followers of the task, or to the requester as a part of the reply. */
  progress(value: unknown): Promise<void>;
  /** Streams a part to the requester; waits while 64 parts are unread. Does nothing without a requester. */
  reply(part: unknown): Promise<void>;
  /** Renews the lease in full, now. The bus renews it while the handler runs. Rejects with LEASE_LOST. */
  extend(): Promise<void>;
  /**
   * Of a task with children: the results of the children, in the order of the flow. Otherwise empty. Those that failed have an
   * error, if the flow has `onChildFailure: 'ignore'`.
   */
  children<R = unknown>(): Promise<ChildResult<R>[]>;
  /** Writes a line to the agent's log (the last 100 are kept). Does nothing outside of agents. */
  log(text: string, level?: LogLevel): void;
}

/** What a context does for its kind of message. */
export interface ContextHooks {
  readonly attempt: number;
  readonly source: MessageSource;
  /** Has the signal, which is created on first use. */
  readonly signalOf: {
    readonly signal: AbortSignal;
    readonly isAborted?: boolean;
    abort(reason: BusbarError): void;
    /** Gets how long the handler ran without a turn of the event loop. */
    ran?(ms: number): void;
  };
  /** Runs right before the handler of the user. It throws, or rejects, when the handler must not begin. */
  readonly begin?: () => Promise<void> | undefined;
  readonly progress?: (value: unknown) => Promise<void>;
  readonly reply?: (part: unknown) => Promise<void>;
  readonly extend?: () => Promise<void>;
  readonly children?: () => Promise<ChildResult[]>;
  readonly log?: (text: string, level: LogLevel) => void;
}

/** The context of one run of a handler. A hook that is left out does nothing. */
export class HandlerContext extends OriginSender implements Context {
  readonly #hooks: ContextHooks;

  constructor(operations: Operations, origin: Origin, hooks: ContextHooks) {
    super(operations, { from: origin.from, cause: origin.cause, work: hooks.signalOf, handled: hooks });
    this.#hooks = hooks;
  }

  get signal(): AbortSignal {
    return this.#hooks.signalOf.signal;
  }

  get attempt(): number {
    return this.#hooks.attempt;
  }

  get source(): MessageSource {
    return this.#hooks.source;
  }

  /** Whether its signal has fired. */
  get isAborted(): boolean {
    return this.#hooks.signalOf.isAborted ?? this.signal.aborted;
  }

  /** Resolves when the handler may begin; undefined when it may begin now. */
  begin(): Promise<void> | undefined {
    return this.#hooks.begin?.();
  }

  /** Runs a handler, and records how long it blocks the event loop. */
  timed<M>(handler: (message: M, context: this) => unknown, message: M): unknown {
    const beganAt = performance.now();
    try {
      return handler(message, this);
    } finally {
      this.#hooks.signalOf.ran?.(performance.now() - beganAt);
    }
  }

  /** Runs a handler of a batch, and records in its contexts how long it blocks the event loop. */
  static timed<R>(contexts: readonly HandlerContext[], run: () => R): R {
    const beganAt = performance.now();
    try {
      return run();
    } finally {
      const ms = performance.now() - beganAt;
      for (const context of contexts) context.#hooks.signalOf.ran?.(ms);
    }
  }

  /** The result of `handle`. After `timeoutMs` the signal fires, and the result is a rejection with TIMEOUT. */
  async within(timeoutMs: number, handle: () => Promise<unknown>): Promise<unknown> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const error = new BusbarError('TIMEOUT', `the handler has not ended within ${timeoutMs} ms`, {
        hint: 'Its signal has fired. Pass it to the work that takes long, or raise timeoutMs.',
      });
      this.#hooks.signalOf.abort(error);
      late.reject(error);
    }, timeoutMs);
    try {
      return await Promise.race([handle(), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  progress(value: unknown): Promise<void> {
    return quietly(this.#hooks.progress?.(value));
  }

  reply(part: unknown): Promise<void> {
    return quietly(this.#hooks.reply?.(part));
  }

  /** Takes a value that a generator yields: a part for the requester, or progress of a task. */
  async take(value: unknown): Promise<void> {
    const hooks = this.#hooks;
    if (hooks.signalOf.isAborted === true) throw hooks.signalOf.signal.reason;
    try {
      await (hooks.reply === undefined ? hooks.progress?.(value) : hooks.reply(value));
    } catch (error) {
      throw isBusbarError(error) && UNSENDABLE.has(error.code)
        ? new InvalidOutputError('a value that the handler yielded', error)
        : error;
    }
  }

  extend(): Promise<void> {
    return quietly(this.#hooks.extend?.());
  }

  async children<R>(): Promise<ChildResult<R>[]> {
    return ((await this.#hooks.children?.()) ?? []) as ChildResult<R>[];
  }

  log(text: string, level: LogLevel = 'info'): void {
    this.#hooks.log?.(text, level);
  }
}

/** The methods of {@link Context}. A handler may take them from its context: `({ body }, { publish }) => …`. */
const METHODS = [
  ...['send', 'publish', 'enqueue', 'flow', 'request', 'requestStream'],
  ...['progress', 'reply', 'extend', 'children', 'log'],
] as const;

for (const name of METHODS) {
  const method = Reflect.get(HandlerContext.prototype, name) as (...args: unknown[]) => unknown;
  Object.defineProperty(HandlerContext.prototype, name, {
    configurable: true,
    get(this: HandlerContext) {
      return method.bind(this);
    },
  });
}

/** A handler may call these without `await`. Then a rejection must not end the process. */
function quietly(done: Promise<void> | undefined): Promise<void> {
  done?.catch(() => undefined);
  return done ?? Promise.resolve();
}
