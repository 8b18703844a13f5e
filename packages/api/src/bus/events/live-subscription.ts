/** A live subscription: one event at a time, in order. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError } from '../../contract/errors.ts';
import type { TopicEvent } from '../../contract/message.ts';
import { textOf } from '../../contract/thrown.ts';
import type { From, TopicSubscription } from '../../contract/topics.ts';
import { LazyAbortController } from '../../driver-kit/lazy-abort.ts';
import { withTimeout } from '../bounded-wait.ts';
import { HandlerContext } from '../consuming/context.ts';
import { reasonOf } from '../consuming/failure.ts';
import { type HandlerPlan, runHandler } from '../consuming/handlers.ts';
import { toReceived } from '../consuming/received.ts';
import { Causation } from '../messages/causation.ts';
import { validate } from '../messages/schema.ts';
import { Handling } from '../observing/handling.ts';
import type { MessageSource } from '../observing/message-source.ts';
import type { BusRuntime } from '../runtime.ts';
import type { TopicPlan } from './events.ts';

type LivePlan = TopicPlan & Pick<HandlerPlan, 'operations' | 'handler' | 'timeoutMs'>;

/** Passes events to a handler. Its errors and its time-outs are reported, and the next event follows. */
export class LiveSubscription {
  readonly ended: Promise<BusbarError | undefined>;
  readonly #runtime: BusRuntime;
  readonly #plan: LivePlan;
  readonly #place: MessageSource;
  readonly #handling: Handling;
  readonly #forget: () => void;
  readonly #ending = Promise.withResolvers<BusbarError | undefined>();
  #subscription: TopicSubscription | undefined;
  #position: string | undefined;
  /** Has the signal of the present event. */
  #work: LazyAbortController | undefined;
  #isClosed = false;
  #running = 0;

  constructor(runtime: BusRuntime, plan: LivePlan) {
    this.#runtime = runtime;
    this.#plan = plan;
    this.#place = { kind: 'event', subscription: plan.topic, isLive: true };
    this.#handling = new Handling(runtime.events, this.#place);
    this.ended = this.#ending.promise;
    this.#forget = runtime.shutdown.add('consumers', this);
  }

  get position(): string | undefined {
    return this.#position ?? this.#subscription?.position;
  }

  get dropped(): number {
    return this.#subscription?.dropped ?? 0;
  }

  get running(): number {
    return this.#running;
  }

  /** Resolves when the subscription sees every new event. */
  async open(from: From, bounds: CallOptions | undefined): Promise<void> {
    try {
      const onEvents = (events: readonly TopicEvent[]): Promise<void> => this.#handleAll(events);
      const subscription = await this.#runtime.transport.topics.subscribe(
        this.#plan.topic,
        { from, ...bounds },
        onEvents,
      );
      this.#subscription = subscription;
      void subscription.ended.then((error) => this.#end(error));
      if (this.#isClosed) await subscription.close();
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  async drain(): Promise<void> {
    this.#isClosed = true;
    await this.#subscription?.close();
  }

  async close({ drainMs }: { readonly drainMs: number }): Promise<void> {
    await withTimeout(this.drain(), drainMs);
    this.#work?.abort(new BusbarError('CLOSED', 'the subscription was closed'));
    this.#end(undefined);
  }

  #end(error: BusbarError | undefined): void {
    this.#forget();
    if (error !== undefined && !this.#isClosed) this.#runtime.report(error, this.#place);
    this.#isClosed = true;
    this.#ending.resolve(error);
  }

  async #handleAll(events: readonly TopicEvent[]): Promise<void> {
    for (const event of events) {
      if (this.#isClosed) return;
      this.#running = 1;
      await this.#handle(event);
      this.#running = 0;
      this.#position = event.position ?? this.#position;
    }
  }

  async #handle(event: TopicEvent): Promise<void> {
    const startedAt = performance.now();
    this.#handling.started(event);
    try {
      const decoded = toReceived(this.#runtime.bodyCodec, event);
      const received = decoded instanceof Promise ? await decoded : decoded;
      const { schema } = this.#plan;
      const checked =
        schema === undefined
          ? received
          : { ...received, body: await validate(schema, received.body, `the event of ${event.topic}`) };
      const origin = { from: undefined, cause: new Causation(event) };
      this.#work = new LazyAbortController();
      const context = new HandlerContext(this.#plan.operations, origin, {
        attempt: 1,
        source: this.#place,
        signalOf: this.#work,
      });
      await runHandler(this.#runtime, this.#plan, checked, context);
      this.#handling.ended('done', event, startedAt, {});
    } catch (thrown) {
      this.#handling.ended('failed', event, startedAt, { reason: reasonOf(thrown), next: 'none' });
      const text = `the handler of event ${event.id} failed: ${textOf(thrown)}`;
      const hint = 'A live subscription continues with the next event; a durable one retries.';
      const error = new BusbarError('HANDLER_FAILED', text, { cause: thrown, hint });
      this.#runtime.report(error, { ...this.#place, id: event.id, attempt: 1 });
    }
  }
}
