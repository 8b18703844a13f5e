/** Throughput of a work queue with one producer and one consumer process. */

import { cost, type Figure, rate, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

export const queue: Scenario = {
  title: 'Work queue: tasks a second, one producer and one consumer process; CPU of all processes per task',
  seconds: ({ messages, inFlight }) => 0.8 + (messages / 6_000) * inFlight.length,
  async run(sandbox, { messages, inFlight: numbers, bodyBytes }) {
    const producer = await sandbox.actor();
    const consumer = await sandbox.actor();
    const most = Math.max(...numbers);
    const produce = (count: number, inFlight: number) => producer.call('produce', { count, inFlight, bodyBytes });
    const consume = (count: number, inFlight: number) => consumer.call('consume', count, inFlight);
    const warmUp = Math.ceil(messages / 10);
    await produce(warmUp, most);
    await consume(warmUp, most);
    const figures: Figure[] = [];
    for (const inFlight of numbers) {
      // Fewer messages when each one takes longer.
      const count = Math.ceil(messages * Math.sqrt(inFlight / most));
      const at = `${inFlight} in flight`;
      const before = await sandbox.cpuMs();
      const enqueueMs = await timed(() => produce(count, inFlight));
      const consumeMs = await timed(() => consume(count, inFlight));
      const cpuMs = (await sandbox.cpuMs()) - before;
      const bothMs = await timed(() => Promise.all([produce(count, inFlight), consume(count, inFlight)]));
      figures.push(
        rate('enqueue', count, enqueueMs, at),
        rate('consume+ack', count, consumeMs, at),
        rate('both at once', count, bothMs, at),
        cost('CPU', 'µs', (cpuMs / count) * 1000, at),
      );
    }
    return figures;
  },
};
