/** A work queue with four producers and four consumers, and the drain of its backlog. */

import { cost, rate } from '../figures.ts';
import type { Scenario } from './scenario.ts';
import { consumeTogether } from './shares.ts';

const PROCESSES = 4;

export const parallel: Scenario = {
  title: `Work queue: ${PROCESSES} producer and ${PROCESSES} consumer processes at once, and a backlog that ${PROCESSES} consumers drain`,
  once: true,
  mostRuns: 2,
  seconds: ({ messages, backlog }) => 3 + (2 * messages + backlog / 10) / 4_000,
  async run(sandbox, { messages, inFlight: numbers, bodyBytes, backlog }) {
    const inFlight = Math.max(...numbers);
    const start = () => Promise.all(Array.from({ length: PROCESSES }, () => sandbox.actor()));
    const [producers, consumers] = [await start(), await start()];
    const produce = async (count: number): Promise<void> => {
      const share = count / PROCESSES;
      const loads = producers.map((producer, index) =>
        producer.call('produce', { first: index * share, count: share, inFlight, bodyBytes }),
      );
      await Promise.all(loads);
    };
    // Whole shares.
    const [count, waiting] = [messages, backlog / 10].map((number) => Math.ceil(number / PROCESSES) * PROCESSES) as [
      number,
      number,
    ];
    const both = () => consumeTogether(sandbox, consumers, { count, inFlight }, () => produce(count));
    // The first time warms up: each of eight processes compiles its own code.
    await both();
    const before = await sandbox.cpuMs();
    const bothMs = await both();
    const cpuMs = (await sandbox.cpuMs()) - before;
    await produce(waiting);
    const drainMs = await consumeTogether(sandbox, consumers, { count: waiting, inFlight }, async () => undefined);
    return [rate('4 to 4', count, bothMs), cost('CPU', 'µs', (cpuMs / count) * 1000), rate('drain', waiting, drainMs)];
  },
};
