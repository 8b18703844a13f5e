/** Memory of a consumer after many waiting messages. */

import { cost } from '../figures.ts';
import type { Scenario } from './scenario.ts';

export const memory: Scenario = {
  title: 'Memory that a consumer adds while it handles the waiting messages, and what waiting costs it',
  once: true,
  mostRuns: 1,
  seconds: ({ backlog }) => 0.8 + backlog / 6_000,
  async run(sandbox, { inFlight, bodyBytes, backlog }) {
    const producer = await sandbox.actor();
    const consumer = await sandbox.actor();
    const at = `${backlog} messages`;
    const most = Math.max(...inFlight);
    const before = await consumer.call('rssBytes');
    await producer.call('produce', { count: backlog, inFlight: most, bodyBytes });
    const waiting = await consumer.call('rssBytes');
    await consumer.call('consume', backlog, most);
    const after = await consumer.call('rssBytes');
    return [
      cost('added', 'MB', (after - before) / 1e6, at),
      cost('while all wait', 'MB', (waiting - before) / 1e6, at),
    ];
  },
};
