/** Persistence: a server restarted or killed under load. */

import { type ConformanceCase, defineCases, keepsNothing } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { BackgroundLoad } from '../faults/background-load.ts';
import { keepDiskBusy } from '../faults/busy-disk.ts';

const shared = {
  group: 'Persistence',
  harnessFeatures: ['server'],
  timeoutMs: 60_000,
  notApplicable: keepsNothing,
} as const;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'X2',
    title: 'an orderly restart of the server under load loses no acknowledged message',
    rules: ['RD1', 'RA2', 'RQ1'],
    async run(test) {
      const load = new BackgroundLoad(test);
      await load.start();
      await test.server.stop();
      await test.server.start();
      await load.recovers();
      await load.finish();
    },
  },
  {
    id: 'X3',
    title: 'killing the server under load, with a busy disk, loses no acknowledged message',
    rules: ['RD1', 'RA2', 'RQ1', 'RD2'],
    async run(test) {
      await keepDiskBusy(test);
      const load = new BackgroundLoad(test);
      await load.start();
      let lastKill = 0;
      for (let kill = 0; kill < 2; kill += 1) {
        lastKill = await killAndStart(test);
        await load.recovers();
      }
      await load.finish(lastKill);
    },
  },
]);

async function killAndStart({ server, random }: TestContext): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, random() * 20));
  const at = performance.now();
  await server.kill();
  await server.start();
  return at;
}
