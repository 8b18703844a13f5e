/** How long does a request take from one process to another and back? */

import { cost, percentile, rate, timed } from '../figures.ts';
import type { Scenario } from './scenarios.ts';

/** Requests are soon done: so many times the messages of a run, so that compilers have had their time. */
const MORE = 3;

export const request: Scenario = {
  question: 'Requests between two processes: alone, and many in flight; CPU of all processes for one of those',
  async run(setting, { messages, inFlight }) {
    const responder = await setting.actor();
    const asker = await setting.actor();
    await responder.tell('answer');
    const most = Math.max(...inFlight);
    const count = messages * MORE;
    await asker.tell('ask', messages, most);
    const alone = await asker.tell('ask', Math.ceil(messages / 10), 1);
    const before = await setting.cpuMs();
    const ms = await timed(() => asker.tell('ask', count, most));
    const cpuMs = (await setting.cpuMs()) - before;
    return [
      cost('p50', 'ms', percentile(alone, 0.5)),
      cost('p99', 'ms', percentile(alone, 0.99)),
      rate(`with ${most} in flight`, count, ms),
      cost('CPU', 'µs', (cpuMs / count) * 1000),
    ];
  },
};
