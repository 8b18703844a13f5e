/** The events of one subscription in order. */

import type {
  MessageInput,
  PublishOptions,
  PublishResult,
  SubscribeOptions,
  Subscription,
  TopicEvent,
  Transport,
} from '@busbar/api/transport';
import type { Lab } from '../context/test-context.ts';

/** Time in which a duplicate event would arrive. */
const SETTLING_MS = 20;

/** A subscription that records its events. */
export class EventLog {
  readonly subscription: Subscription;
  readonly events: readonly TopicEvent[];
  readonly #lab: Lab;

  constructor(lab: Lab, subscription: Subscription, events: readonly TopicEvent[]) {
    this.#lab = lab;
    this.subscription = subscription;
    this.events = events;
  }

  /** The bodies as text. */
  get texts(): string[] {
    return this.events.map((event) => this.#lab.text(event));
  }

  /** Waits for as many events as `texts` has, and asserts that they are equal, in order. */
  async has(texts: readonly string[], what: string): Promise<void> {
    const deadline = performance.now() + 5_000;
    await this.#lab.until(what, () => this.events.length >= texts.length || performance.now() > deadline);
    const settled = performance.now() + SETTLING_MS;
    await this.#lab.until(what, () => performance.now() > settled);
    this.#lab.check.equal(this.texts, [...texts], what);
  }
}

/** Subscribes and records the events. */
export async function follow(
  lab: Lab,
  transport: Transport,
  pattern: string,
  options: SubscribeOptions = {},
): Promise<EventLog> {
  const events: TopicEvent[] = [];
  const subscription = await transport.topics.subscribe(pattern, options, (batch) => {
    events.push(...batch);
  });
  return new EventLog(lab, subscription, events);
}

/** Publishes and asserts that all events are stored. */
export async function publish(
  lab: Lab,
  transport: Transport,
  topic: string,
  messages: readonly MessageInput[],
  options?: PublishOptions,
): Promise<PublishResult[]> {
  const results = await transport.topics.publish(topic, messages, options);
  lab.check.equal(
    results.map(({ status }) => status),
    messages.map(() => 'stored'),
    `events published on ${topic}`,
  );
  return results;
}

/** Publishes `count` events with the bodies `prefix0`, `prefix1`, … and returns the bodies. */
export async function publishTexts(
  lab: Lab,
  transport: Transport,
  topic: string,
  count: number,
  prefix?: string,
): Promise<string[]> {
  const messages = lab.messages(count, {}, prefix);
  await publish(lab, transport, topic, messages);
  return messages.map((message) => lab.text(message));
}
