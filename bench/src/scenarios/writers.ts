/** Throughput of many saturating writers, and the slowest send among them. */

import { cost, rate } from '../figures.ts';
import type { Scenario } from './scenario.ts';

const WRITERS = [1, 4, 8, 16];
const SHORT_WRITERS = [1, 4];
const IN_FLIGHT = 16;

export const writers: Scenario = {
  title: `Processes that send to one queue as fast as they can, ${IN_FLIGHT} in flight each: all sends, and the slowest send`,
  once: true,
  mostRuns: 1,
  seconds: ({ messages, short }) => (short ? 2.5 : 6) + messages / 4_000,
  async run(sandbox, { messages, bodyBytes, short }) {
    const numbers = short ? SHORT_WRITERS : WRITERS;
    const actors = await Promise.all(Array.from({ length: Math.max(...numbers) }, () => sandbox.actor()));
    const figures = [];
    for (const writers of numbers) {
      const load = { count: Math.ceil(messages / writers), inFlight: IN_FLIGHT, bodyBytes };
      const began = performance.now();
      const produced = await Promise.all(actors.slice(0, writers).map((actor) => actor.call('produce', load)));
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
