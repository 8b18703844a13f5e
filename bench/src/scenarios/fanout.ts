/** How many events a second reach every one of many subscribers? */

import { rate, timed } from '../figures.ts';
import type { Scenario } from './scenarios.ts';

const SUBSCRIBERS = [1, 10, 100];

export const fanout: Scenario = {
  question: 'Events from one process to subscribers in another, each with a connection of its own',
  async run(setting, { messages, inFlight, bodyBytes }) {
    const publisher = await setting.actor();
    const audience = await setting.actor();
    const figures = [];
    let there = 0;
    for (const subscribers of SUBSCRIBERS) {
      await audience.tell('subscribe', subscribers - there);
      there = subscribers;
      const count = Math.ceil(messages / 2 / Math.sqrt(subscribers));
      const load = { count, inFlight: Math.max(...inFlight), bodyBytes };
      await audience.tell('expect', count * subscribers);
      const ms = await timed(() => Promise.all([publisher.tell('publish', load), audience.tell('received')]));
      const at = subscribers === 1 ? '1 subscriber' : `${subscribers} subscribers`;
      figures.push(rate('published', count, ms, at), rate('delivered', count * subscribers, ms, at));
    }
    return figures;
  },
};
