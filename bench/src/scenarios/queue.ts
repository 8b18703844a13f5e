/** How many tasks a second can one process put in, and another take out and settle? */

import { cost, type Figure, rate, timed } from '../figures.ts';
import type { Scenario } from './scenarios.ts';

export const queue: Scenario = {
  question: 'Work queue: tasks a second, one producer and one consumer process; CPU of all processes for one task',
  async run(setting, { messages, inFlight: numbers, bodyBytes }) {
    const producer = await setting.actor();
    const consumer = await setting.actor();
    const most = Math.max(...numbers);
    const produce = (count: number, inFlight: number) => producer.tell('produce', { count, inFlight, bodyBytes });
    const consume = (count: number, inFlight: number) => consumer.tell('consume', count, inFlight);
    const warmUp = Math.ceil(messages / 10);
    await produce(warmUp, most);
    await consume(warmUp, most);
    const figures: Figure[] = [];
    for (const inFlight of numbers) {
      // Fewer where each takes longer.
      const count = Math.ceil(messages * Math.sqrt(inFlight / most));
      const at = `${inFlight} in flight`;
      const before = await setting.cpuMs();
      const enqueueMs = await timed(() => produce(count, inFlight));
      const consumeMs = await timed(() => consume(count, inFlight));
      const cpuMs = (await setting.cpuMs()) - before;
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
