/** Throughput of events to many subscribers. */

import { rate, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

const SUBSCRIBERS = [1, 10, 100];
const SHORT_SUBSCRIBERS = [1, 10];

export const fanout: Scenario = {
  title: 'Events a second from one process to subscribers in another, each with its own connection',
  once: true,
  mostRuns: 2,
  seconds: ({ messages, short }) => 1.5 + (messages / 3_000) * (short ? 0.6 : 1),
  async run(sandbox, { messages, inFlight, bodyBytes, short }) {
    const publisher = await sandbox.actor();
    const subscriberProcess = await sandbox.actor();
    const figures = [];
    let subscribed = 0;
    for (const subscribers of short ? SHORT_SUBSCRIBERS : SUBSCRIBERS) {
      await subscriberProcess.call('subscribe', subscribers - subscribed);
      subscribed = subscribers;
      const count = Math.ceil(messages / 2 / Math.sqrt(subscribers));
      const load = { count, inFlight: Math.max(...inFlight), bodyBytes };
      await subscriberProcess.call('expect', { count, sources: subscribers });
      const ms = await timed(() => Promise.all([publisher.call('publish', load), subscriberProcess.call('received')]));
      const at = subscribers === 1 ? '1 subscriber' : `${subscribers} subscribers`;
      figures.push(rate('published', count, ms, at), rate('delivered', count * subscribers, ms, at));
    }
    return figures;
  },
};
