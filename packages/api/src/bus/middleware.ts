/** Middleware: what runs around sending and handling, an onion. Logging, metrics, tracing, audit are made of it. */

import { invalid } from '../contract/errors.ts';
import { checkFunction, checkOptions, checkText } from '../contract/validation.ts';
import type { Context } from './consuming/context.ts';
import type { ReceivedMessage } from './consuming/received.ts';

/** What goes out. Middleware may replace the body and add headers before it calls `next`. */
export interface OutgoingMessage {
  readonly kind: 'send' | 'publish' | 'enqueue' | 'request';
  /** The agent, the topic or the queue. */
  readonly target: string;
  readonly type: string | undefined;
  readonly from: string | undefined;
  body: unknown;
  /** Names `[a-z0-9-]{1,64}`; those of the bus itself are not among them. */
  headers: Record<string, string>;
}

/** Runs around something that goes out; `next` does the rest and gives its result. */
export type OutgoingStep = (outgoing: OutgoingMessage, next: () => Promise<unknown>) => Promise<unknown>;

/** Runs around one layer of behaviour. Each step must call `next` to let it happen, at most once. */
export interface Middleware {
  readonly name?: string | undefined;
  /** Around mail to an agent. */
  readonly send?: OutgoingStep | undefined;
  /** Around an event. */
  readonly publish?: OutgoingStep | undefined;
  /** Around a task that is put in. */
  readonly enqueue?: OutgoingStep | undefined;
  /** Around a request; `next` gives the answer. */
  readonly request?: OutgoingStep | undefined;
  /** Around a handler of mail, requests, events and tasks; `next` gives what the handler returned. */
  readonly handle?:
    | ((received: ReceivedMessage, context: Context, next: () => Promise<unknown>) => Promise<unknown>)
    | undefined;
}

const STEPS = ['send', 'publish', 'enqueue', 'request', 'handle'] as const;

/** The middleware of one bus; the first added is the outermost. */
export class MiddlewareChain {
  readonly #all: Middleware[] = [];

  add(middleware: Middleware): void {
    if (middleware === undefined) throw invalid('middleware is missing', 'Pass an object with steps.');
    checkOptions(middleware, ['name', ...STEPS], 'middleware');
    checkText(middleware.name, 'middleware.name', 255);
    for (const step of STEPS) if (middleware[step] !== undefined) checkFunction(middleware[step], `middleware.${step}`);
    this.#all.push(middleware);
  }

  /** Whether something runs around this. */
  has(step: (typeof STEPS)[number]): boolean {
    return this.#all.some((middleware) => middleware[step] !== undefined);
  }

  outgoing<R>(outgoing: OutgoingMessage, last: () => Promise<R>): Promise<R> {
    const steps = this.#all.flatMap((middleware) => middleware[outgoing.kind] ?? []);
    return onion(
      steps.map((step) => (next: () => Promise<unknown>) => step(outgoing, next)),
      last,
    ) as Promise<R>;
  }

  handle(received: ReceivedMessage, context: Context, last: () => Promise<unknown>): Promise<unknown> {
    const steps = this.#all.flatMap((middleware) => middleware.handle ?? []);
    return onion(
      steps.map((step) => (next: () => Promise<unknown>) => step(received, context, next)),
      last,
    );
  }
}

type Layer = (next: () => Promise<unknown>) => Promise<unknown>;

function onion(layers: readonly Layer[], last: () => Promise<unknown>): Promise<unknown> {
  const run = async (index: number): Promise<unknown> => {
    const layer = layers[index];
    if (layer === undefined) return last();
    let wasCalled = false;
    return layer(() => {
      if (wasCalled) throw invalid('next was called twice', 'A step of middleware calls next at most once.');
      wasCalled = true;
      return run(index + 1);
    });
  };
  return run(0);
}
