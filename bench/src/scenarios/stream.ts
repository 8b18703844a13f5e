/** Requests whose response is a stream. */

import { cost, latency, rate, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

const PARTS = 100;

export const stream: Scenario = {
  title: `Requests whose response streams ${PARTS} parts: time of the first part, parts a second`,
  once: true,
  mostRuns: 2,
  seconds: ({ messages }) => 0.9 + messages / 4_000,
  async run(sandbox, { messages }) {
    const responder = await sandbox.actor();
    const requester = await sandbox.actor();
    await responder.call('respond');
    const requests = Math.ceil(messages / PARTS);
    await requester.call('stream', Math.ceil(requests / 4), PARTS);
    let firsts: readonly number[] = [];
    const before = await sandbox.cpuMs();
    const ms = await timed(async () => (firsts = await requester.call('stream', requests, PARTS)));
    const cpuMs = (await sandbox.cpuMs()) - before;
    return [
      latency('first part p50', firsts, 0.5),
      rate('parts', requests * PARTS, ms),
      cost('CPU', 'µs', (cpuMs / requests / PARTS) * 1000),
    ];
  },
};
