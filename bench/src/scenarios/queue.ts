/** How many tasks a second can one process put in, and another take out and settle? */

import { rate, timed } from '../figures.ts';
import type { Scenario } from '../scenarios.ts';

export const queue: Scenario = {
  question: 'Work queue: tasks a second, one producer and one consumer process',
  async run(setting, { messages, inFlight: numbers, bodyBytes }) {
    const producer = await setting.actor();
    const consumer = await setting.actor();
    const most = Math.max(...numbers);
    const produce = (count: number, inFlight: number) => producer.tell('produce', { count, inFlight, bodyBytes });
    const consume = (count: number, inFlight: number) => consumer.tell('consume', count, inFlight);
    const warmUp = Math.ceil(messages / 10);
    await produce(warmUp, most);
    await consume(warmUp, most);
    const figures = [];
    for (const inFlight of numbers) {
      // Fewer where each takes longer.
      const count = Math.ceil(messages * Math.sqrt(inFlight / most));
      const at = `${inFlight} in flight`;
      figures.push(
        rate('enqueue', count, await timed(() => produce(count, inFlight)), at),
        rate('consume+ack', count, await timed(() => consume(count, inFlight)), at),
        rate(
          'both at once',
          count,
          await timed(() => Promise.all([produce(count, inFlight), consume(count, inFlight)])),
          at,
        ),
      );
    }
    return figures;
  },
};
