/** A work queue at full rate for minutes while one message is leased for an hour: does the memory of the server stay bounded? */

import { cost, type Figure, rate, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

const PARTS = 6;

export const sustained: Scenario = {
  title: 'Work queue at full rate while one of its messages is leased for an hour; memory of the server by time',
  once: true,
  mostRuns: 1,
  scaling: true,
  seconds: ({ seconds }) => 2 + seconds,
  async run(sandbox, { messages, inFlight: numbers, bodyBytes, seconds }) {
    const holder = await sandbox.actor();
    const producer = await sandbox.actor();
    const consumer = await sandbox.actor();
    const inFlight = Math.max(...numbers);
    await holder.call('hold');
    const figures: Figure[] = [];
    const began = performance.now();
    for (let part = 1; part <= PARTS; part += 1) {
      const end = began + (seconds * 1000 * part) / PARTS;
      let count = 0;
      const ms = await timed(async () => {
        while (performance.now() < end) {
          const load = { count: messages, inFlight, bodyBytes };
          await Promise.all([producer.call('produce', load), consumer.call('consume', messages, inFlight)]);
          count += messages;
        }
      });
      const at = `after ${Math.round((performance.now() - began) / 1000)} s`;
      figures.push(
        rate('both at once', count, ms, at),
        cost('server', 'MB', sandbox.serverRssBytes() / 1e6, at),
        cost('producer', 'MB', (await producer.call('rssBytes')) / 1e6, at),
        cost('consumer', 'MB', (await consumer.call('rssBytes')) / 1e6, at),
      );
    }
    return figures;
  },
};
