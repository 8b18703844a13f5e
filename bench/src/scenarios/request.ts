/** Latency and throughput of requests between two processes. */

import { cost, latency, rate, tailLatency, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

/** Requests are fast; this factor on the number of messages lets the JIT compiler warm up. */
const FACTOR = 3;

export const request: Scenario = {
  title: 'Requests between two processes: one and many in flight; CPU of all processes per request with many',
  once: true,
  seconds: ({ messages }) => 0.7 + messages / 3_000,
  async run(sandbox, { messages, inFlight }) {
    const responder = await sandbox.actor();
    const requester = await sandbox.actor();
    await responder.call('respond');
    const most = Math.max(...inFlight);
    const count = messages * FACTOR;
    await requester.call('request', messages, most);
    const single = await requester.call('request', Math.ceil(messages / 10), 1);
    const before = await sandbox.cpuMs();
    const ms = await timed(() => requester.call('request', count, most));
    const cpuMs = (await sandbox.cpuMs()) - before;
    return [
      latency('p50', single, 0.5),
      tailLatency('p99', single, 0.99),
      rate(`with ${most} in flight`, count, ms),
      cost('CPU', 'µs', (cpuMs / count) * 1000),
    ];
  },
};
