/** The events of one subscription in order. */

import type {
  MessageInput,
  PublishOptions,
  PublishResult,
  TopicEvent,
  TopicSubscribeOptions,
  TopicSubscription,
  Transport,
} from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';
import { fieldsOf, texts } from './consuming.ts';

/** Time in which a duplicate event would arrive. */
const SETTLING_MS = 20;

/** A subscription that records its events. */
export class EventLog {
  readonly subscription: TopicSubscription;
  readonly events: readonly TopicEvent[];
  readonly #test: TestContext;

  constructor(test: TestContext, subscription: TopicSubscription, events: readonly TopicEvent[]) {
    this.#test = test;
    this.subscription = subscription;
    this.events = events;
  }

  /** The bodies as text. */
  get texts(): string[] {
    return this.events.map((event) => this.#test.text(event));
  }

  /**
   * Waits for as many events as `texts` has, and asserts that they are equal, in order. Gives up when none has come for
   * five seconds: a slow machine may need longer for many.
   */
  async has(texts: readonly string[], what: string): Promise<void> {
    let [seen, deadline] = [0, 0];
    const isOver = (): boolean => {
      const now = performance.now();
      const count = this.events.length;
      if (count > seen || deadline === 0) [seen, deadline] = [count, now + 5_000];
      return count >= texts.length || now > deadline;
    };
    await this.#test.until(what, isOver, 60_000);
    const settled = performance.now() + SETTLING_MS;
    await this.#test.until(what, () => performance.now() > settled);
    this.#test.check.equal(this.texts, [...texts], what);
  }
}

/** Subscribes and records the events. */
export async function follow(
  test: TestContext,
  transport: Transport,
  pattern: string,
  options: TopicSubscribeOptions = {},
): Promise<EventLog> {
  const events: TopicEvent[] = [];
  const subscription = await transport.topics.subscribe(pattern, options, (batch) => {
    events.push(...batch);
  });
  return new EventLog(test, subscription, events);
}

/** Publishes and asserts that all events are stored. */
export async function publish(
  test: TestContext,
  transport: Transport,
  topic: string,
  messages: readonly MessageInput[],
  options?: PublishOptions,
): Promise<PublishResult[]> {
  const results = await transport.topics.publish(topic, messages, options);
  test.check.equal(
    fieldsOf(results, 'status'),
    messages.map(() => 'stored'),
    `events published on ${topic}`,
  );
  return results;
}

/** Publishes `count` events with the bodies `prefix0`, `prefix1`, … and returns the bodies. */
export async function publishTexts(
  test: TestContext,
  transport: Transport,
  topic: string,
  count: number,
  prefix?: string,
): Promise<string[]> {
  const messages = test.messages(count, {}, prefix);
  await publish(test, transport, topic, messages);
  return texts(test, messages);
}
