/** Queue steps shared by most cases. They assert, and record deliveries. */

import type { Delivery, MessageInput, SendResult, Transport } from '@busbar/api/transport';
import { Check, CheckFailed } from './check.ts';
import { Recorder } from './recorder.ts';

const MAX_RECEIVE = 1_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The part of a test context with assertions, recorded deliveries and queue steps. */
export class QueueSteps {
  /** Counted assertions. */
  readonly check: Check = new Check();
  /** All deliveries of the case, as a multiset to check afterwards. */
  readonly recorder: Recorder = new Recorder();

  /** Creates messages with the bodies `prefix0`, `prefix1`, … */
  messages(count: number, fields: Partial<MessageInput> = {}, prefix = 'm'): MessageInput[] {
    return Array.from({ length: count }, (_, index) => ({ ...fields, body: encoder.encode(`${prefix}${index}`) }));
  }

  /** Sends and asserts that all messages are stored. */
  async send(transport: Transport, queue: string, messages: readonly MessageInput[]): Promise<SendResult[]> {
    const results = await transport.queues.send(queue, messages);
    const bad = results.filter(({ status }) => status !== 'stored');
    this.check.equal(results.length, messages.length, `results of a send to ${queue}`);
    this.check.equal(bad, [], `messages to ${queue} that were not stored`);
    return results;
  }

  /** Receives and records `count` deliveries without ack. Fails after `withinMs` (default 5,000). */
  async receive(transport: Transport, queue: string, count: number, withinMs = 5_000): Promise<Delivery[]> {
    const deadline = performance.now() + withinMs;
    const deliveries: Delivery[] = [];
    while (deliveries.length < count) {
      const waitMs = deadline - performance.now();
      if (waitMs <= 0) {
        throw new CheckFailed(`received ${deliveries.length} of ${count} from ${queue} within ${withinMs} ms`);
      }
      const max = Math.min(count - deliveries.length, MAX_RECEIVE);
      const got = await transport.queues.receive(queue, { max, waitMs });
      this.recorder.add(got);
      this.check.ok(got.length <= max, `a receive with max ${max} from ${queue} returned ${got.length}`);
      deliveries.push(...got);
    }
    return deliveries;
  }

  /** Asserts that nothing is delivered for `ms`. */
  async nothing(transport: Transport, queue: string, ms: number): Promise<void> {
    const got = await transport.queues.receive(queue, { max: MAX_RECEIVE, waitMs: ms });
    this.recorder.add(got);
    const what = got.map(({ id, attempt }) => `${id} (attempt ${attempt})`);
    this.check.equal(what, [], `deliveries from ${queue} within ${ms} ms`);
  }

  /** Acks and asserts that each ack is done. */
  async ack(transport: Transport, deliveries: readonly Delivery[]): Promise<void> {
    for (let from = 0; from < deliveries.length; from += MAX_RECEIVE) {
      const batch = deliveries.slice(from, from + MAX_RECEIVE);
      const results = await transport.queues.settle(batch.map(({ receipt }) => ({ receipt, action: 'ack' })));
      this.check.equal(
        results.map(({ status }) => status),
        batch.map(() => 'done'),
        `acks of ${batch.length} deliveries`,
      );
    }
  }

  /** Returns the body of a message as text. */
  text(message: { readonly body: Uint8Array }): string {
    return decoder.decode(message.body);
  }
}
