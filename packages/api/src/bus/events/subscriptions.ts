/** Live subscriptions, and durable ones: queues that are bound to a pattern. */

import type { CallOptions } from '../../contract/call-options.ts';
import { type BusbarError, invalid } from '../../contract/errors.ts';
import { checkUserName } from '../../contract/names.ts';
import type { From } from '../../contract/topics.ts';
import { checkFrom, checkOptions } from '../../contract/validation.ts';
import type { Consumer } from '../consuming/consumer.ts';
import type { Context } from '../consuming/context.ts';
import { handleDelivery } from '../consuming/handlers.ts';
import { CONSUME_KEYS, type ConsumeOptions, checkConsumeOptions } from '../consuming/options.ts';
import type { ReceivedMessage } from '../consuming/received.ts';
import { startConsumer } from '../consuming/start-consumer.ts';
import type { TopicDefinition } from '../messages/definitions.ts';
import type { Operations } from '../operations.ts';
import { type CloseOptions, checkClose } from '../options.ts';
import type { BusRuntime } from '../runtime.ts';
import { type TopicPlan, toPatternPlan } from './events.ts';
import { LiveSubscription } from './live-subscription.ts';

/** How to subscribe. Options of consumers, leases and attempts are for durable subscriptions only. */
export type SubscribeOptions = LiveOptions | DurableOptions;

/** How to subscribe to events from now on. After `timeoutMs` the handler has failed, and the next event follows. */
export type LiveOptions = Pick<ConsumeOptions, 'open' | 'timeoutMs'> &
  Beginning & { readonly durableName?: undefined } & { readonly [Key in (typeof DURABLE_ONLY)[number]]?: undefined };

/** How to subscribe under a name. */
export interface DurableOptions extends ConsumeOptions, Beginning {
  /**
   * Makes the subscription durable under this name: events are stored for it while no process is subscribed, are handled
   * at least once, and are retried when the handler throws. All subscribers of one name share its events. A second pattern
   * adds its events, until `bus.unsubscribe` deletes the subscription.
   */
  readonly durableName: string;
}

/** Where a subscription begins. */
export interface Beginning {
  /**
   * Where to begin. Default `new`. A durable subscription uses it when the pattern is bound for the first time; later
   * subscribers continue from there.
   */
  readonly from?: From | undefined;
}

/** A subscription. Closing a durable one ends this subscriber; events are stored for the others, or the next. */
export interface Subscription extends AsyncDisposable {
  /** The pattern it subscribes to. */
  readonly pattern: string;
  /** The name of a durable subscription; undefined for a live one. */
  readonly durableName: string | undefined;
  /** Resolves after its end: with the error that ended it, or undefined after `close`. Never rejects. */
  readonly ended: Promise<BusbarError | undefined>;
  /** Live: subscribing with `from: { after: position }` continues behind the last handled event. Undefined for a durable one. */
  readonly position: string | undefined;
  /** Live: how many ephemeral events were dropped because the handler was too slow. */
  readonly dropped: number;
  /** How many handlers run now. */
  readonly running: number;
  /** Closes it. A second call returns the promise of the first. Its own handler may call this, but must not await it. */
  close(options?: CloseOptions): Promise<void>;
}

/** The implementation of a subscription. */
interface SubscriptionEngine {
  readonly ended: Promise<BusbarError | undefined>;
  readonly position: string | undefined;
  readonly dropped: number;
  readonly running: number;
  close(options: { readonly drainMs: number }): Promise<void>;
}

interface Dependencies {
  readonly runtime: BusRuntime;
  readonly operations: Operations;
}

/** Handles one event. */
export type EventHandler<T> = (event: ReceivedMessage<T>, context: Context) => unknown;

const KEYS = ['durableName', 'from', ...CONSUME_KEYS];
const DURABLE_ONLY = ['concurrency', 'leaseMs', 'maxAttempts', 'retry', 'onInvalid', 'consumer'] as const;

/** Subscribes to a pattern. */
export async function subscribe(
  dependencies: Dependencies,
  pattern: string | TopicDefinition,
  handler: EventHandler<never>,
  options: SubscribeOptions = {},
): Promise<Subscription> {
  const { runtime, operations } = dependencies;
  runtime.assertOpen();
  const plan = toPatternPlan(pattern);
  checkSubscribeOptions(options);
  if (options.durableName !== undefined) return subscribeDurable(dependencies, plan, options, handler);
  const live = new LiveSubscription(runtime, { ...plan, operations, handler, timeoutMs: options.timeoutMs });
  await live.open(options.from ?? 'new', options.open);
  return new SubscriptionImpl(plan.topic, undefined, live);
}

/** Deletes a durable subscription: its queue with the unhandled events and its dead letters. */
export async function unsubscribe(runtime: BusRuntime, durableName: string, options?: CallOptions): Promise<boolean> {
  runtime.assertOpen();
  return runtime.transport.admin.deleteQueue(durableQueue(durableName), options);
}

/** The queue of a durable subscription. Throws INVALID_ARGUMENT for a bad name. */
export function durableQueue(name: unknown): string {
  checkUserName(name, 'durable name');
  return `$sub.${name}`;
}

async function subscribeDurable(
  { runtime, operations }: Dependencies,
  { topic, schema }: TopicPlan,
  options: DurableOptions,
  handler: EventHandler<never>,
): Promise<Subscription> {
  const { from = 'new', durableName: name, ...consume } = options;
  const queue = durableQueue(name);
  const resetsBefore = runtime.declarations.resets;
  await runtime.transport.topics.bind(queue, topic, { from, ...options.open });
  const { timeoutMs } = options;
  const source = { kind: 'event', subscription: name } as const;
  const plan = { operations, source, what: `the event of ${topic}`, scope: queue, schema, handler, timeoutMs };
  const consumer = await startConsumer(runtime, queue, consume, {
    place: source,
    resetsBefore,
    // All events of a new store came after those that the subscription had.
    declare: ({ cause }) =>
      runtime.transport.topics.bind(queue, topic, { from: cause === 'replaced' ? 'start' : 'new' }),
    handle: (delivery, lease) => handleDelivery(runtime, plan, delivery, lease),
  });
  return new SubscriptionImpl(topic, name, durableEngine(runtime, consumer));
}

class SubscriptionImpl implements Subscription {
  readonly pattern: string;
  readonly durableName: string | undefined;
  readonly ended: Promise<BusbarError | undefined>;
  readonly #engine: SubscriptionEngine;
  #closed: Promise<void> | undefined;

  constructor(pattern: string, durableName: string | undefined, engine: SubscriptionEngine) {
    this.pattern = pattern;
    this.durableName = durableName;
    this.ended = engine.ended;
    this.#engine = engine;
  }

  get position(): string | undefined {
    return this.#engine.position;
  }

  get dropped(): number {
    return this.#engine.dropped;
  }

  get running(): number {
    return this.#engine.running;
  }

  close(options?: CloseOptions): Promise<void> {
    const drainMs = checkClose(options);
    this.#closed ??= this.#engine.close({ drainMs });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** One subscriber of a durable subscription. */
function durableEngine(runtime: BusRuntime, consumer: Consumer): SubscriptionEngine {
  const { promise: ended, resolve } = Promise.withResolvers<undefined>();
  const end = async (): Promise<void> => resolve(undefined);
  void ended.then(runtime.shutdown.add('services', { close: end }));
  return {
    ended,
    position: undefined,
    dropped: 0,
    get running() {
      return consumer.running;
    },
    close: (options) => consumer.close(options).then(end),
  };
}

function checkSubscribeOptions(options: SubscribeOptions): void {
  checkOptions(options, KEYS, 'subscribe options');
  checkFrom(options.from);
  checkConsumeOptions(options);
  if (options.durableName !== undefined) checkUserName(options.durableName, 'durable name');
  for (const key of DURABLE_ONLY) {
    if (options.durableName !== undefined || options[key] === undefined) continue;
    throw invalid(`${key} is for durable subscriptions only`, 'Set durableName, or leave it out.');
  }
}
