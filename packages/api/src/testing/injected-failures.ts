/** Failures that a test puts into the operations and the handlers of a bus. */

import type { Bus } from '../bus/bus.ts';
import type { QueueDefinition, TopicDefinition } from '../bus/messages/definitions.ts';
import type { MessageSource } from '../bus/observing/message-source.ts';
import { BusbarError } from '../contract/errors.ts';
import { checkInteger, checkOneOf, checkOptions, checkText } from '../contract/validation.ts';

/** A failure of operations of one kind. */
export interface InjectedFailure {
  /** The operation; `handle` is a handler of a task, a message, a request or an event. */
  readonly on: 'send' | 'publish' | 'enqueue' | 'request' | 'handle';
  /** Only of this agent, topic or queue; of a handler its queue, agent or subscription. Default: every one. */
  readonly target?: string | QueueDefinition | TopicDefinition | undefined;
  /**
   * `before` (default): the operation does not happen. `after`: it happens and then fails, as if its answer was lost. So a send
   * has stored its message, and a handler has had its effects.
   */
  readonly when?: 'before' | 'after' | undefined;
  /** How many operations fail, 1 or more. Default 1. */
  readonly times?: number | undefined;
  /** What the operation rejects with. Default: UNAVAILABLE; its outcome is `failed` before the operation, `unknown` after it. */
  readonly error?: Error | undefined;
}

/** Adds a failure. Returns a function that ends it. */
export type InjectFailure = (failure: InjectedFailure) => () => void;

interface Pending extends InjectedFailure {
  readonly target: string | undefined;
  left: number;
}

/** Prepares a bus for injected failures. Failures apply in the order in which they were added. */
export function injectFailures(bus: Bus): InjectFailure {
  const all = new Set<Pending>();
  const step = async (
    on: InjectedFailure['on'],
    target: string | undefined,
    next: () => Promise<unknown>,
  ): Promise<unknown> => {
    const failure = take(all, on, target);
    if (failure === undefined) return next();
    if (failure.when === 'after') await next();
    throw failure.error ?? lost(failure);
  };
  const outgoing = (
    message: { readonly kind: 'send' | 'publish' | 'enqueue' | 'request'; readonly target: string },
    next: () => Promise<unknown>,
  ): Promise<unknown> => step(message.kind, message.target, next);
  bus.use({
    ...{ name: 'injected failures', send: outgoing, publish: outgoing, enqueue: outgoing, request: outgoing },
    handle: (_, { source }, next) => step('handle', placeOf(source), next),
  });
  return (failure) => {
    checkFailure(failure);
    const pending = { ...failure, target: nameOf(failure.target), left: failure.times ?? 1 };
    all.add(pending);
    return () => void all.delete(pending);
  };
}

function take(all: Set<Pending>, on: InjectedFailure['on'], target: string | undefined): Pending | undefined {
  for (const failure of all) {
    if (failure.on !== on || (failure.target !== undefined && failure.target !== target)) continue;
    failure.left -= 1;
    if (failure.left <= 0) all.delete(failure);
    return failure;
  }
  return undefined;
}

function placeOf({ queue, agent, subscription }: MessageSource): string | undefined {
  return queue ?? agent ?? subscription;
}

/** The name in a definition; another value stays as it is. */
function nameOf(target: InjectedFailure['target']): string | undefined {
  if (typeof target !== 'object' || target === null) return target;
  return target.kind === 'queue' ? target.queue : target.topic;
}

function lost({ on, when }: InjectedFailure): BusbarError {
  const outcome = when === 'after' ? 'unknown' : 'failed';
  return new BusbarError('UNAVAILABLE', `an injected failure of ${on}`, { outcome, hint: 'A test injected it.' });
}

function checkFailure(failure: InjectedFailure): void {
  checkOptions(failure ?? null, ['on', 'target', 'when', 'times', 'error'], 'injected failure');
  checkOneOf(failure.on ?? '', 'on', ['send', 'publish', 'enqueue', 'request', 'handle']);
  checkOneOf(failure.when, 'when', ['before', 'after']);
  checkText(nameOf(failure.target), 'target', 255);
  if (failure.times === Number.POSITIVE_INFINITY) return;
  checkInteger(failure.times, 'times', { min: 1, max: Number.MAX_SAFE_INTEGER });
}
