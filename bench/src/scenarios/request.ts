/** How long does a request take from one process to another and back? */

import { cost, percentile, rate, timed } from '../figures.ts';
import type { Scenario } from '../scenarios.ts';

export const request: Scenario = {
  question: 'Requests between two processes: alone, and many in flight',
  async run(setting, { messages, inFlight }) {
    const responder = await setting.actor();
    const asker = await setting.actor();
    await responder.tell('answer');
    const most = Math.max(...inFlight);
    await asker.tell('ask', Math.ceil(messages / 10), most);
    const alone = await asker.tell('ask', Math.ceil(messages / 10), 1);
    const ms = await timed(() => asker.tell('ask', messages, most));
    return [
      cost('p50', 'ms', percentile(alone, 0.5)),
      cost('p99', 'ms', percentile(alone, 0.99)),
      rate(`with ${most} in flight`, messages, ms),
    ];
  },
};
