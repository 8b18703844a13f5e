/** Tasks of different sizes. */

import { cost, type Figure, rate, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

const SIZES = [
  { at: '256 B', bytes: 256 },
  { at: '4 kB', bytes: 4_000 },
  { at: '64 kB', bytes: 64_000 },
  // A server of NATS takes a megabyte with its headers.
  { at: '900 kB', bytes: 900_000 },
] as const;
/** So many bytes are sent at each size, but not more messages than in other scenarios. */
const TOTAL_BYTES = 32_000_000;
const IN_FLIGHT = 16;

export const payload: Scenario = {
  title: `Work queue with bodies of 256 B to 900 kB, ${IN_FLIGHT} in flight: tasks a second, sent and then consumed`,
  once: true,
  mostRuns: 1,
  scaling: true,
  seconds: ({ messages }) => 1.3 + messages / 1_400,
  async run(sandbox, { messages }) {
    const producer = await sandbox.actor();
    const consumer = await sandbox.actor();
    const produce = (count: number, bodyBytes: number) =>
      producer.call('produce', { count, inFlight: IN_FLIGHT, bodyBytes });
    const consume = (count: number) => consumer.call('consume', count, IN_FLIGHT);
    const warmUp = Math.ceil(messages / 2);
    await produce(warmUp, SIZES[0].bytes);
    await consume(warmUp);
    const figures: Figure[] = [];
    for (const { at, bytes } of SIZES) {
      const count = Math.max(IN_FLIGHT, Math.min(messages, Math.ceil(TOTAL_BYTES / bytes)));
      const before = await sandbox.cpuMs();
      const sendMs = await timed(() => produce(count, bytes));
      const consumeMs = await timed(() => consume(count));
      const cpuMs = (await sandbox.cpuMs()) - before;
      figures.push(
        rate('enqueue', count, sendMs, at),
        rate('consume+ack', count, consumeMs, at),
        cost('CPU', 'µs', (cpuMs / count) * 1000, at),
      );
    }
    return figures;
  },
};
