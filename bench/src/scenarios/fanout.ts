/** Throughput of events to many subscribers. */

import { rate, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

const SUBSCRIBERS = [1, 10, 100];

export const fanout: Scenario = {
  title: 'Events a second from one process to subscribers in another, each with its own connection',
  async run(sandbox, { messages, inFlight, bodyBytes }) {
    const publisher = await sandbox.actor();
    const subscriberProcess = await sandbox.actor();
    const figures = [];
    let subscribed = 0;
    for (const subscribers of SUBSCRIBERS) {
      await subscriberProcess.call('subscribe', subscribers - subscribed);
      subscribed = subscribers;
      const count = Math.ceil(messages / 2 / Math.sqrt(subscribers));
      const load = { count, inFlight: Math.max(...inFlight), bodyBytes };
      await subscriberProcess.call('expect', count * subscribers);
      const ms = await timed(() => Promise.all([publisher.call('publish', load), subscriberProcess.call('received')]));
      const at = subscribers === 1 ? '1 subscriber' : `${subscribers} subscribers`;
      figures.push(rate('published', count, ms, at), rate('delivered', count * subscribers, ms, at));
    }
    return figures;
  },
};
