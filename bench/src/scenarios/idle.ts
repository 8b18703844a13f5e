/** What does one cost that waits for work: an agent of a Bus, a worker, a consumer? */

import { setTimeout as sleep } from 'node:timers/promises';
import { cost } from '../figures.ts';
import { Actor } from '../processes/actor-process.ts';
import type { Scenario } from './scenarios.ts';

const SETTLE_MS = 1000;
const IDLE_MS = 5000;

export const idle: Scenario = {
  question: 'An agent or worker that waits for work: its CPU, that of the server, its memory above bare Node',
  once: true,
  steady: true,
  async run(setting) {
    const agent = await setting.actor();
    await agent.tell('attend');
    await sleep(SETTLE_MS);
    const [before, server] = [await agent.tell('cpuMs'), setting.serverCpuMs()];
    await sleep(IDLE_MS);
    const [after, serverAfter] = [await agent.tell('cpuMs'), setting.serverCpuMs()];
    return [
      cost('CPU', '%', ((after - before) / IDLE_MS) * 100),
      cost('CPU of the server', '%', ((serverAfter - server) / IDLE_MS) * 100),
      cost('above Node', 'MB', ((await agent.tell('rssBytes')) - (await bareNode())) / 1e6),
    ];
  },
};

/** What a process needs that plays no part: the same program, nothing opened. */
async function bareNode(): Promise<number> {
  await using nobody = Actor.idle();
  return await nobody.tell('rssBytes');
}
