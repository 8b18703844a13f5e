/** Middleware around sending and handling, for logging, metrics, tracing and audits. */

import { invalid } from '../contract/errors.ts';
import { checkCallback, checkOptions, checkText } from '../contract/validation.ts';
import type { Context } from './consuming/context.ts';
import type { ReceivedMessage } from './consuming/received.ts';
import type { MessageSource } from './observing/message-source.ts';

/** A message before it is sent. Middleware can replace the body and add headers before it calls `next`. */
export interface OutgoingMessage {
  readonly kind: 'send' | 'publish' | 'enqueue' | 'request';
  /** The agent, the topic or the queue. */
  readonly target: string;
  readonly type: string | undefined;
  readonly from: string | undefined;
  /** The message whose context sends it; undefined outside of handlers. `attempt` is 1 for the first delivery. */
  readonly cause: { readonly id: string; readonly attempt: number; readonly source: MessageSource } | undefined;
  body: unknown;
  /** Names match `[a-z0-9-]{1,64}`. Headers of the bus itself are not included. */
  headers: Record<string, string>;
}

/** Runs around an outgoing message; `next` sends it and returns the result. */
export type OutgoingStep = (outgoing: OutgoingMessage, next: () => Promise<unknown>) => Promise<unknown>;

/** Steps around operations. A step must call `next` for the operation to happen, at most once. */
export interface Middleware {
  readonly name?: string | undefined;
  /** Around a message to an agent. */
  readonly send?: OutgoingStep | undefined;
  /** Around an event. */
  readonly publish?: OutgoingStep | undefined;
  /** Around a new task. */
  readonly enqueue?: OutgoingStep | undefined;
  /** Around a request; `next` returns the response. */
  readonly request?: OutgoingStep | undefined;
  /** Around `agent.receive` and `bus.takeTasks`; `next` returns the messages. */
  readonly receive?:
    | ((source: MessageSource, next: () => Promise<readonly ReceivedMessage[]>) => Promise<readonly ReceivedMessage[]>)
    | undefined;
  /** Around every handler; `next` returns the value of the handler. */
  readonly handle?:
    | ((received: ReceivedMessage, context: Context, next: () => Promise<unknown>) => Promise<unknown>)
    | undefined;
}

const STEPS = ['send', 'publish', 'enqueue', 'request', 'receive', 'handle'] as const;

/** The middleware of one bus. The first is the outermost. */
export class MiddlewareChain {
  readonly #all: Middleware[] = [];
  readonly #steps = new Set<(typeof STEPS)[number]>();

  add(middleware: Middleware): void {
    if (middleware === undefined) throw invalid('middleware is missing', 'Pass an object with steps.');
    checkOptions(middleware, ['name', ...STEPS], 'middleware');
    checkText(middleware.name, 'middleware.name', 255);
    const steps = STEPS.filter((step) => middleware[step] !== undefined);
    for (const step of steps) checkCallback(middleware[step], `middleware.${step}`);
    this.#all.push(middleware);
    for (const step of steps) this.#steps.add(step);
  }

  /** Whether any middleware has this step. */
  has(step: (typeof STEPS)[number]): boolean {
    return this.#steps.has(step);
  }

  outgoing<R>(outgoing: OutgoingMessage, last: () => Promise<R>): Promise<R> {
    const steps = this.#all.flatMap((middleware) => middleware[outgoing.kind] ?? []);
    return onion(
      steps.map((step) => (next: Next) => step(outgoing, next)),
      last,
    ) as Promise<R>;
  }

  receive<M extends ReceivedMessage>(source: MessageSource, last: () => Promise<M[]>): Promise<M[]> {
    const steps = this.#all.flatMap((middleware) => middleware.receive ?? []);
    return onion(
      steps.map((step) => (next: Next) => step(source, next as () => Promise<readonly ReceivedMessage[]>)),
      last,
    ) as Promise<M[]>;
  }

  handle(received: ReceivedMessage, context: Context, last: () => Promise<unknown>): Promise<unknown> {
    const steps = this.#all.flatMap((middleware) => middleware.handle ?? []);
    return onion(
      steps.map((step) => (next: Next) => step(received, context, next)),
      last,
    );
  }
}

type Next = () => Promise<unknown>;
type Layer = (next: Next) => Promise<unknown>;

function onion(layers: readonly Layer[], last: () => Promise<unknown>): Promise<unknown> {
  const run = async (index: number): Promise<unknown> => {
    const layer = layers[index];
    if (layer === undefined) return last();
    let wasCalled = false;
    return layer(() => {
      if (wasCalled) throw invalid('next was called twice', 'A step calls next at most once.');
      wasCalled = true;
      return run(index + 1);
    });
  };
  return run(0);
}
