/** Memory of a consumer after many waiting messages. */

import { cost } from '../figures.ts';
import type { Scenario } from './scenario.ts';

export const memory: Scenario = {
  title:
    'Memory that waiting messages and their results cost: a consumer that waits and then handles all, and the server',
  once: true,
  mostRuns: 1,
  seconds: ({ backlog }) => 0.8 + backlog / 9_000,
  async run(sandbox, { inFlight, bodyBytes, backlog }) {
    const producer = await sandbox.actor();
    const consumer = await sandbox.actor();
    const at = `${backlog} messages`;
    const most = Math.max(...inFlight);
    const heapBefore = await consumer.call('heapBytes');
    const [before, server] = [await consumer.call('rssBytes'), sandbox.serverRssBytes()];
    await producer.call('produce', { count: backlog, inFlight: most, bodyBytes });
    const [waiting, serverWaiting] = [await consumer.call('rssBytes'), sandbox.serverRssBytes()];
    await consumer.call('consume', backlog, most);
    const after = await consumer.call('rssBytes');
    const heapAfter = await consumer.call('heapBytes');
    // What a start leaves behind goes while it waits.
    const idle = Math.min(before, waiting);
    return [
      cost('added', 'MB', (after - idle) / 1e6, at),
      cost('heap added', 'MB', (heapAfter - heapBefore) / 1e6, at),
      cost('while all wait', 'MB', (waiting - idle) / 1e6, at),
      cost('server, all waiting', 'MB', (serverWaiting - server) / 1e6, at),
      cost('server, all finished', 'MB', (sandbox.serverRssBytes() - server) / 1e6, at),
    ];
  },
};
