/** How long does a request take from one process to another and back? */

import { Actor } from '../actor.ts';
import { percentile } from '../figures.ts';
import type { Scenario } from '../scenarios.ts';

const ALONE = 1000;
const TOGETHER = 10_000;

export const request: Scenario = {
  question: 'Requests between two processes: alone, and many in flight',
  async run(subject, place, { inFlight }) {
    await using responder = await Actor.start(subject, place);
    await using asker = await Actor.start(subject, place);
    if (!asker.can('ask')) return undefined;
    await responder.do('answer');
    await asker.ask(200, 1);
    const alone = await asker.ask(ALONE, 1);
    const began = performance.now();
    await asker.ask(TOGETHER, inFlight);
    const seconds = (performance.now() - began) / 1000;
    return [
      { name: 'p50', unit: 'ms', better: 'down', values: [percentile(alone, 0.5)] },
      { name: 'p99', unit: 'ms', better: 'down', values: [percentile(alone, 0.99)] },
      { name: `with ${inFlight} in flight`, unit: '/s', better: 'up', values: [TOGETHER / seconds] },
    ];
  },
};
