/** Live subscriptions, which continue behind the last event after a lost connection, and durable ones. */

import {
  CursorPump,
  checkCallback,
  checkFrom,
  checkUserName,
  type ReceivedMessage,
  toReceived,
  withTimeout,
} from '@busbar/api/parts';
import {
  BusbarError,
  checkInteger,
  checkOptions,
  checkPattern,
  type From,
  invalid,
  type TopicEvent,
} from '@busbar/api/transport';
import type { EventHandler, SubscribeOptions, Subscription } from '../page-bus.ts';
import type { PageCore } from '../page-core.ts';
import { BATCH_LIMIT } from '../store/hub-store.ts';
import { QueueConsumer } from './queue-consumer.ts';

const DRAIN_MS = 5_000;

/** Subscribes to a pattern. */
export async function subscribe(
  core: PageCore,
  pattern: string,
  handler: EventHandler<never>,
  options: SubscribeOptions = {},
): Promise<Subscription> {
  core.assertOpen();
  checkPattern(pattern);
  if (pattern.startsWith('$')) throw invalid(`the pattern ${pattern} starts with $`, 'The prefix $ is reserved.');
  checkCallback(handler, 'handler');
  checkOptions(options, ['durableName', 'from', 'concurrency'], 'subscribe options');
  checkInteger(options.concurrency, 'concurrency', { min: 1, max: 10_000 });
  const from = checkFrom(options.from);
  const { durableName: name, concurrency = 1 } = options;
  if (name !== undefined) return subscribeDurable(core, { name, pattern, from, concurrency }, handler as EventHandler);
  const live = new LiveSubscription(core, handler as EventHandler);
  await live.open(pattern, from);
  return live;
}

class LiveSubscription implements Subscription {
  readonly #core: PageCore;
  readonly #handler: EventHandler;
  readonly #end = new AbortController();
  readonly #ended = Promise.withResolvers<BusbarError | undefined>();
  readonly #forget: () => void;
  #pump: CursorPump<TopicEvent> | undefined;
  #read: () => string | undefined = () => undefined;
  #handled: string | undefined;

  constructor(core: PageCore, handler: EventHandler) {
    this.#core = core;
    this.#handler = handler;
    this.#forget = core.shutdown.add('consumers', this);
  }

  get ended(): Promise<BusbarError | undefined> {
    return this.#ended.promise;
  }

  get position(): string | undefined {
    return this.#handled ?? this.#read();
  }

  /** Resolves when the subscription sees every new event. */
  async open(pattern: string, from: From): Promise<void> {
    const { store } = this.#core;
    try {
      const cursor = await store.bounded(undefined, (context) => store.topics.open(pattern, from, context));
      this.#read = () => cursor.position;
      this.#pump = new CursorPump<TopicEvent>(cursor, BATCH_LIMIT, (events) => this.#handleAll(events));
      void this.#pump.ended.then((error) => this.#over(error));
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#pump !== undefined && !(await withTimeout(this.#pump.close(), DRAIN_MS)))
      this.#end.abort(new BusbarError('CLOSED', 'the subscription was closed'));
    this.#over(undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #handleAll(events: readonly TopicEvent[]): Promise<void> {
    for (const event of events) {
      try {
        await this.#handler(toReceived(this.#core.bodies, event), { signal: this.#end.signal });
      } catch (cause) {
        this.#core.report(new BusbarError('HANDLER_FAILED', `the handler of event ${event.id} failed`, { cause }));
      }
      this.#handled = event.position ?? this.#handled;
    }
  }

  #over(error: BusbarError | undefined): void {
    this.#forget();
    if (error !== undefined) this.#core.report(error);
    this.#ended.resolve(error);
  }
}

interface DurablePlan {
  readonly name: string;
  readonly pattern: string;
  readonly from: From;
  readonly concurrency: number;
}

async function subscribeDurable(
  core: PageCore,
  { name, pattern, from, concurrency }: DurablePlan,
  handler: EventHandler,
): Promise<Subscription> {
  checkUserName(name, 'durable name');
  const queue = `$sub.${name}`;
  const { store } = core;
  const bind = (start: From): Promise<void> =>
    store.bounded(undefined, (context) => store.topics.bind(queue, pattern, start, context));
  await bind(from);
  // All events of a new store came after those that the subscription had.
  const forget = core.onReset(({ cause }) => bind(cause === 'replaced' ? 'start' : 'new'));
  const handle = async (event: ReceivedMessage, _: unknown, signal: AbortSignal): Promise<unknown> =>
    handler(event, { signal });
  const consumer = new QueueConsumer(core, { queue, concurrency, handle });
  const { promise: ended, resolve } = Promise.withResolvers<undefined>();
  const close = async (): Promise<void> => {
    forget();
    await consumer.close({ drainMs: DRAIN_MS });
    resolve(undefined);
  };
  return { ended, position: undefined, close, [Symbol.asyncDispose]: close };
}
