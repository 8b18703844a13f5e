/** A work queue whose handler fails at first for every tenth task. */

import { cost, rate, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

export const failing: Scenario = {
  title:
    'Work queue whose handler fails once for every tenth task, which is then retried at once; beside the same without failures',
  once: true,
  mostRuns: 2,
  seconds: ({ messages }) => 0.9 + messages / 2_500,
  async run(sandbox, { messages: count, inFlight: numbers, bodyBytes }) {
    const producer = await sandbox.actor();
    const consumer = await sandbox.actor();
    const inFlight = Math.max(...numbers);
    const produce = () => producer.call('produce', { count, inFlight, bodyBytes });
    // The first time warms up.
    await produce();
    await consumer.call('consume', count, inFlight);
    await produce();
    const wholeMs = await timed(() => consumer.call('consume', count, inFlight));
    await produce();
    const before = await sandbox.cpuMs();
    const failingMs = await timed(() => consumer.call('consume', count, inFlight, 'tenth fails'));
    const cpuMs = (await sandbox.cpuMs()) - before;
    return [
      rate('no task fails', count, wholeMs),
      rate('a tenth fails', count, failingMs),
      cost('CPU', 'µs', (cpuMs / count) * 1000),
    ];
  },
};
