/** Metrics of what one bus does, by the semantic conventions for messaging where they have a name. */

import type { BusEventMap, MessageSource, OutgoingMessage, ReceivedMessage } from '@busbar/api';
import type { Attributes, Counter, Histogram, Meter } from '@opentelemetry/api';
import { errorType, isPostponed, operation } from './attributes.ts';
import { BoundedLabel } from './bounded-label.ts';
import type { EndedEvent, EndName } from './tracing.ts';

const SECONDS = {
  unit: 's',
  advice: { explicitBucketBoundaries: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60] },
};
const MESSAGES = { unit: '{message}' };

/** Measures one bus. Labels name queues, subscriptions and types, up to 100 of each, and no agents and no topics. */
export class Metrics {
  readonly #operations: Histogram;
  readonly #sent: Counter;
  readonly #consumed: Counter;
  readonly #handlers: Histogram;
  readonly #settled: Counter;
  readonly #failures: Counter;
  readonly #connection: Counter;
  readonly #queues = new BoundedLabel();
  readonly #subscriptions = new BoundedLabel();
  readonly #types = new BoundedLabel();
  readonly #errors = new BoundedLabel();

  constructor(meter: Meter) {
    const histogram = (name: string, description: string): Histogram =>
      meter.createHistogram(name, { ...SECONDS, description });
    const counter = (name: string, description: string): Counter =>
      meter.createCounter(name, { ...MESSAGES, description });
    this.#operations = histogram('messaging.client.operation.duration', 'Durations of sends, requests and receives.');
    this.#handlers = histogram('messaging.process.duration', 'Durations of handlers.');
    this.#sent = counter('messaging.client.sent.messages', 'Messages that were sent, or failed to be.');
    this.#consumed = counter('messaging.client.consumed.messages', 'Messages that reached a handler or a receive.');
    this.#settled = counter('busbar.settled.messages', 'Messages by what became of one attempt.');
    this.#failures = meter.createCounter('busbar.failures', { description: 'Failures that no caller waits for.' });
    this.#connection = meter.createCounter('busbar.connection.changes', { description: 'Changes of the connection.' });
  }

  async outgoing(message: OutgoingMessage, next: () => Promise<unknown>): Promise<unknown> {
    const { kind, target, type } = message;
    const labels = {
      ...operation(kind, 'send'),
      ...this.#labels({ queue: kind === 'enqueue' ? target : undefined, type }),
    };
    return this.#measure(this.#operations, labels, next, (all) => this.#sent.add(1, all));
  }

  async receive(
    source: MessageSource,
    next: () => Promise<readonly ReceivedMessage[]>,
  ): Promise<readonly ReceivedMessage[]> {
    const labels = { ...operation('receive', 'receive'), ...this.#labels(source) };
    const messages = await this.#measure(this.#operations, labels, next);
    this.#consumed.add(messages.length, labels);
    return messages;
  }

  async handle({ type }: ReceivedMessage, source: MessageSource, next: () => Promise<unknown>): Promise<unknown> {
    const labels = { ...operation('process', 'process'), ...this.#labels({ ...source, type }) };
    this.#consumed.add(1, labels);
    return this.#measure(this.#handlers, labels, next);
  }

  settled(name: EndName, event: EndedEvent): void {
    const outcome = event.next === undefined || event.next === 'none' ? name : event.next;
    this.#settled.add(1, { 'messaging.system': 'busbar', ...this.#labels(event), 'busbar.outcome': outcome });
  }

  failure({ kind, error }: BusEventMap['failure']): void {
    this.#failures.add(1, { 'busbar.kind': kind, 'error.type': error.code });
  }

  connection(state: string): void {
    this.#connection.add(1, { 'busbar.state': state });
  }

  #labels(of: Partial<MessageSource> & { readonly type?: string | undefined }): Attributes {
    const { kind, queue, subscription, type } = of;
    return {
      ...(kind !== undefined && { 'busbar.kind': kind }),
      ...(queue !== undefined && { 'messaging.destination.name': this.#queues.of(queue) }),
      ...(subscription !== undefined && {
        'messaging.destination.subscription.name': this.#subscriptions.of(subscription),
      }),
      ...(type !== undefined && { 'busbar.message.type': this.#types.of(type) }),
    };
  }

  async #measure<T>(
    histogram: Histogram,
    labels: Attributes,
    work: () => Promise<T>,
    count: (labels: Attributes) => void = () => undefined,
  ): Promise<T> {
    const startedAt = performance.now();
    let all = labels;
    try {
      return await work();
    } catch (error) {
      if (!isPostponed(error)) all = { ...labels, 'error.type': this.#errors.of(errorType(error)) };
      throw error;
    } finally {
      histogram.record((performance.now() - startedAt) / 1_000, all);
      count(all);
    }
  }
}
