/** Subscriptions: live ones, and durable ones that are queues fed by a pattern. */

import { invalid } from '../../contract/errors.ts';
import { checkUserName } from '../../contract/names.ts';
import type { CallOptions, From } from '../../contract/transport.ts';
import { checkDuration, checkFunction, checkOptions, describe, MAX_DURATION_MS } from '../../contract/validation.ts';
import type { Consumer } from '../consuming/consumer.ts';
import type { Context } from '../consuming/context.ts';
import { handleDelivery } from '../consuming/handling.ts';
import type { Received } from '../consuming/received.ts';
import type { AnyTopic } from '../operations.ts';
import type { BusKernel } from '../runtime.ts';
import { CONSUME_KEYS, type ConsumeOptions, checkConsumeOptions, startConsumer } from '../tasks/worker.ts';
import { BusSubscription } from './bus-subscription.ts';
import { type TopicPlan, toPatternPlan } from './events.ts';
import { LiveSubscription } from './live-subscription.ts';

/** How to listen. What concerns leases, attempts and concurrency is for durable subscriptions only. */
export interface BusSubscribeOptions extends ConsumeOptions {
  /**
   * The name of a durable subscription: events gather for it while nobody listens, are handled at least once, and tried
   * again when the handler throws. All who give the name share its events. One to whom a second pattern is given gets
   * the events of both, until {@link unsubscribe} ends it.
   */
  readonly durable?: string;
  /**
   * Where to begin. Default `new`. For a durable subscription it counts when its pattern is bound for the first time;
   * later members go on where it stands.
   */
  readonly from?: From;
}

/** Handles one event. */
export type EventHandler<T> = (event: Received<T>, context: Context) => unknown;

const KEYS = ['durable', 'from', ...CONSUME_KEYS];
const DURABLE_ONLY = ['concurrency', 'leaseMs', 'maxAttempts', 'retry', 'consumer'] as const;

/** Listens to a pattern. */
export async function subscribe(
  kernel: BusKernel,
  pattern: string | AnyTopic,
  options: BusSubscribeOptions = {},
  handler: EventHandler<never>,
): Promise<BusSubscription> {
  kernel.assertOpen();
  const plan = toPatternPlan(pattern);
  checkSubscribeOptions(options);
  checkFunction(handler, 'handler');
  if (options.durable !== undefined) return subscribeDurable(kernel, plan, options, options.durable, handler);
  const live = new LiveSubscription(kernel, plan, handler);
  await live.open(options.from ?? 'new', boundsOf(options));
  return new BusSubscription(plan.topic, undefined, live);
}

/** Ends a durable subscription: its queue goes, with the events nobody has handled and its dead letters. */
export async function unsubscribe(kernel: BusKernel, durable: string, options?: CallOptions): Promise<boolean> {
  kernel.assertOpen();
  checkUserName(durable, 'durable name');
  return kernel.transport.admin.deleteQueue(durableQueue(durable), options);
}

/** The queue of a durable subscription. */
export function durableQueue(name: string): string {
  return `$sub.${name}`;
}

/** Throws INVALID_ARGUMENT unless `from` is undefined or a place to begin. */
export function checkFrom(from: unknown): void {
  if (from === undefined || from === 'new' || from === 'start') return;
  if (typeof from === 'object' && from !== null) {
    checkOptions(from, ['after', 'time'], 'from');
    const { after, time } = from as { after?: unknown; time?: unknown };
    if (typeof after === 'string' && after !== '' && time === undefined) return;
    if (typeof time === 'number' && after === undefined) {
      checkDuration(time, 'from.time', { min: 0, max: MAX_DURATION_MS * 100 });
      return;
    }
  }
  const hint = "Use 'new', 'start', { after: position } or { time: milliseconds since 1970 }.";
  throw invalid(`illegal from: ${describe(from)}`, hint);
}

async function subscribeDurable(
  kernel: BusKernel,
  { topic, schema }: TopicPlan,
  options: BusSubscribeOptions,
  durable: string,
  handler: EventHandler<never>,
): Promise<BusSubscription> {
  const queue = durableQueue(durable);
  const { from = 'new', durable: _, ...consume } = options;
  await kernel.transport.topics.bind(queue, topic, { from, ...boundsOf(options) });
  const plan = { what: `the event of ${topic}`, scope: queue, schema, handler };
  const consumer = await startConsumer(kernel, queue, consume, {
    where: `subscription ${durable}`,
    handle: (delivery, lease) => handleDelivery(kernel, plan, delivery, lease),
  });
  return new BusSubscription(topic, durable, new DurableMember(kernel, consumer));
}

/** One who shares in a durable subscription. */
class DurableMember {
  readonly ended: Promise<undefined>;
  readonly position: undefined;
  readonly dropped = 0;
  readonly #consumer: Consumer;
  readonly #ending = Promise.withResolvers<undefined>();

  constructor(kernel: BusKernel, consumer: Consumer) {
    this.#consumer = consumer;
    this.ended = this.#ending.promise;
    const close = async (): Promise<void> => this.#ending.resolve(undefined);
    const forget = kernel.lifetime.add('foundation', { close });
    void this.ended.then(forget);
  }

  get running(): number {
    return this.#consumer.running;
  }

  async close(options: { readonly drainMs: number }): Promise<void> {
    await this.#consumer.close(options);
    this.#ending.resolve(undefined);
  }
}

function checkSubscribeOptions(options: BusSubscribeOptions): void {
  checkOptions(options, KEYS, 'subscribe options');
  checkFrom(options.from);
  checkConsumeOptions(options);
  if (options.durable !== undefined) checkUserName(options.durable, 'durable name');
  for (const key of DURABLE_ONLY) {
    if (options.durable !== undefined || options[key] === undefined) continue;
    throw invalid(`${key} is for durable subscriptions only`, 'Give it a name with durable, or leave it out.');
  }
}

function boundsOf({ timeoutMs, signal }: CallOptions): CallOptions {
  return { ...(timeoutMs !== undefined && { timeoutMs }), ...(signal && { signal }) };
}
