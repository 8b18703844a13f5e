/** How many tasks a second can one process put in, and another take out and settle? */

import { Actor } from '../actor.ts';
import type { Figure } from '../figures.ts';
import type { Scenario } from '../scenarios.ts';

export const queue: Scenario = {
  question: 'Work queue: tasks a second, one producer and one consumer process',
  async run(subject, place, { messages, inFlight, bodyBytes }) {
    await using producer = await Actor.start(subject, place);
    await using consumer = await Actor.start(subject, place);
    await producer.produce(Math.ceil(messages / 10), inFlight, bodyBytes);
    await consumer.consume(Math.ceil(messages / 10), inFlight);
    const enqueueMs = await timed(() => producer.produce(messages, inFlight, bodyBytes));
    const consumeMs = await timed(() => consumer.consume(messages, inFlight));
    const bothMs = await timed(() =>
      Promise.all([producer.produce(messages, inFlight, bodyBytes), consumer.consume(messages, inFlight)]),
    );
    return [
      rate('enqueue', messages, enqueueMs),
      rate('consume+ack', messages, consumeMs),
      rate('both at once', messages, bothMs),
    ];
  },
};

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function rate(name: string, count: number, ms: number): Figure {
  return { name, unit: '/s', better: 'up', values: [(count / ms) * 1000] };
}
