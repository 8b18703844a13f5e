/** Memory of a consumer after 100,000 waiting messages. */

import { cost } from '../figures.ts';
import type { Scenario } from './scenario.ts';

const PENDING = 100_000;

export const memory: Scenario = {
  title: 'Memory that a consumer adds while it handles 100,000 waiting messages',
  once: true,
  steady: true,
  async run(sandbox, { inFlight, bodyBytes }) {
    const producer = await sandbox.actor();
    const consumer = await sandbox.actor();
    const most = Math.max(...inFlight);
    const before = await consumer.call('rssBytes');
    await producer.call('produce', { count: PENDING, inFlight: most, bodyBytes });
    const waiting = await consumer.call('rssBytes');
    await consumer.call('consume', PENDING, most);
    const after = await consumer.call('rssBytes');
    return [cost('added', 'MB', (after - before) / 1e6), cost('while all wait', 'MB', (waiting - before) / 1e6)];
  },
};
