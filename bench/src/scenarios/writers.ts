/** Does any of many saturating writers starve? */

import { Actor } from '../actor.ts';
import type { Scenario } from '../scenarios.ts';

const WRITERS = 8;

export const writers: Scenario = {
  question: `${WRITERS} processes write into one store as fast as they can: the slowest send of all`,
  async run(subject, place, { messages, bodyBytes }) {
    const actors = await Promise.all(Array.from({ length: WRITERS }, () => Actor.start(subject, place)));
    try {
      const each = Math.ceil(messages / WRITERS);
      const began = performance.now();
      const produced = await Promise.all(actors.map((actor) => actor.produce(each, 16, bodyBytes)));
      const seconds = (performance.now() - began) / 1000;
      return [
        { name: 'together', unit: '/s', better: 'up', values: [(each * WRITERS) / seconds] },
        {
          name: 'slowest send',
          unit: 'ms',
          better: 'down',
          values: [Math.max(...produced.map(({ slowestMs }) => slowestMs))],
        },
      ];
    } finally {
      await Promise.all(actors.map((actor) => actor[Symbol.asyncDispose]()));
    }
  },
};
