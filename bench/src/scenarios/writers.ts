/** What do many saturating writers get through together, and does any of them starve? */

import { cost, rate } from '../figures.ts';
import type { Scenario } from './scenarios.ts';

const WRITERS = [1, 4, 8];
const IN_FLIGHT = 16;

export const writers: Scenario = {
  question: `Processes that write into one queue as fast as they can, ${IN_FLIGHT} in flight each: all sends, and the slowest of them`,
  once: true,
  async run(setting, { messages, bodyBytes }) {
    const actors = await Promise.all(Array.from({ length: Math.max(...WRITERS) }, () => setting.actor()));
    const figures = [];
    for (const writers of WRITERS) {
      const load = { count: Math.ceil(messages / writers), inFlight: IN_FLIGHT, bodyBytes };
      const began = performance.now();
      const produced = await Promise.all(actors.slice(0, writers).map((actor) => actor.tell('produce', load)));
      const ms = performance.now() - began;
      const at = writers === 1 ? '1 process' : `${writers} processes`;
      figures.push(
        rate('together', load.count * writers, ms, at),
        cost('slowest send', 'ms', Math.max(...produced.map(({ slowestMs }) => slowestMs)), at),
      );
    }
    return figures;
  },
};
