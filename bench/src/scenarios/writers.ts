/** Throughput of many saturating writers, and the slowest send among them. */

import { cost, type Figure, rate } from '../figures.ts';
import type { ActorProcess } from '../processes/actor-process.ts';
import type { Scenario } from './scenario.ts';

/** Writers, and how many sends each has in flight. */
interface WriterStep {
  readonly writers: number;
  readonly inFlight: number;
}

const IN_FLIGHT = 16;
const STEPS: readonly WriterStep[] = [
  ...[1, 4, 8, 16].map((writers) => ({ writers, inFlight: IN_FLIGHT })),
  { writers: 8, inFlight: 64 },
];
const SHORT_STEPS = STEPS.slice(0, 2);

export const writers: Scenario = {
  title: `Processes that send to one queue as fast as they can, ${IN_FLIGHT} in flight each: all sends, and the slowest send`,
  mostRuns: 1,
  seconds: ({ messages, short }) => (short ? 2.5 : 4) + messages / 1_200,
  async run(sandbox, { messages, bodyBytes, short }) {
    const steps = short ? SHORT_STEPS : STEPS;
    const most = Math.max(...steps.map(({ writers }) => writers));
    const actors = await Promise.all(Array.from({ length: most }, () => sandbox.actor()));
    let sent = 0;
    const send = async ({ writers, inFlight }: WriterStep, count: number): Promise<Figure[]> => {
      const began = performance.now();
      const produced = await Promise.all(
        actors.slice(0, writers).map((actor, index) => {
          const load = { first: sent + index * count, count, inFlight, bodyBytes };
          return actor.call('produce', load);
        }),
      );
      const ms = performance.now() - began;
      sent += count * writers;
      const at = conditionOf({ writers, inFlight });
      return [
        rate('together', count * writers, ms, at),
        cost('slowest send', 'ms', Math.max(...produced.map(({ slowestMs }) => slowestMs)), at),
      ];
    };
    // Each process has to be warm.
    await send({ writers: most, inFlight: IN_FLIGHT }, Math.ceil(messages / 4));
    const figures: Figure[] = [];
    for (const step of steps) figures.push(...(await send(step, Math.ceil(messages / step.writers))));
    await drain(actors, sent);
    return figures;
  },
};

/** Every message that was sent is there, once. */
async function drain([consumer]: readonly ActorProcess[], count: number): Promise<void> {
  await consumer?.call('consume', count, 64);
}

function conditionOf({ writers, inFlight }: WriterStep): string {
  const processes = writers === 1 ? '1 process' : `${writers} processes`;
  return inFlight === IN_FLIGHT ? processes : `${processes}, ${inFlight} in flight`;
}
