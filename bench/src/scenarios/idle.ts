/** CPU and memory of an idle agent, worker or consumer. */

import { setTimeout as sleep } from 'node:timers/promises';
import { cost } from '../figures.ts';
import { ActorProcess } from '../processes/actor-process.ts';
import type { Scenario } from './scenario.ts';

const SETTLE_MS = 1000;
const IDLE_MS = 5000;
const SHORT_IDLE_MS = 2000;

export const idle: Scenario = {
  title: 'An idle agent or worker: its CPU, the CPU of the server, its memory above bare Node',
  once: true,
  mostRuns: 1,
  seconds: ({ short }) => (short ? 3.5 : 8),
  async run(sandbox, { short }) {
    const idleMs = short ? SHORT_IDLE_MS : IDLE_MS;
    const agent = await sandbox.actor();
    await agent.call('idle');
    await sleep(SETTLE_MS);
    const [before, server] = [await agent.call('cpuMs'), sandbox.serverCpuMs()];
    await sleep(idleMs);
    const [after, serverAfter] = [await agent.call('cpuMs'), sandbox.serverCpuMs()];
    return [
      cost('CPU', '%', ((after - before) / idleMs) * 100),
      cost('CPU of the server', '%', ((serverAfter - server) / idleMs) * 100),
      cost('above Node', 'MB', ((await agent.call('rssBytes')) - (await bareNode())) / 1e6),
    ];
  },
};

/** Memory of the same program without a target. */
async function bareNode(): Promise<number> {
  await using bare = ActorProcess.bare();
  return await bare.call('rssBytes');
}
