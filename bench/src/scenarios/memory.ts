/** What do 100,000 messages that wait for a consumer add to it? */

import { cost } from '../figures.ts';
import type { Scenario } from './scenarios.ts';

const PENDING = 100_000;

export const memory: Scenario = {
  question: 'Memory that a consumer has added once it has worked off 100,000 messages',
  once: true,
  steady: true,
  async run(setting, { inFlight, bodyBytes }) {
    const producer = await setting.actor();
    const consumer = await setting.actor();
    const most = Math.max(...inFlight);
    const before = await consumer.tell('rssBytes');
    await producer.tell('produce', { count: PENDING, inFlight: most, bodyBytes });
    await consumer.tell('consume', PENDING, most);
    const after = await consumer.tell('rssBytes');
    return [cost('added', 'MB', (after - before) / 1e6)];
  },
};
