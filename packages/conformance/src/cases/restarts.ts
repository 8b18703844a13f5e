/** Persistence: a server restarted or killed under load. */

import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { BackgroundLoad } from '../faults/background-load.ts';
import { keepDiskBusy } from '../faults/busy-disk.ts';

const group = 'Persistence';
const powers = ['server'] as const;

export const cases: readonly ConformanceCase[] = [
  {
    id: 'X2',
    group,
    title: 'an orderly restart of the server under load loses no acknowledged message',
    level: 'MUST',
    rules: ['RD1', 'RA2', 'RQ1'],
    powers,
    timeoutMs: 60_000,
    notApplicable: keepsNothing,
    async run(lab) {
      const load = new BackgroundLoad(lab);
      await load.start();
      await lab.server.stop();
      await lab.server.start();
      await load.recovers();
      await load.finish();
    },
  },
  {
    id: 'X3',
    group,
    title: 'killing the server under load, with a busy disk, loses no acknowledged message',
    level: 'MUST',
    rules: ['RD1', 'RA2', 'RQ1', 'RD2'],
    powers,
    timeoutMs: 60_000,
    notApplicable: keepsNothing,
    async run(lab) {
      await keepDiskBusy(lab);
      const load = new BackgroundLoad(lab);
      await load.start();
      let lastKill = 0;
      for (let kill = 0; kill < 2; kill += 1) {
        lastKill = await killAndStart(lab);
        await load.recovers();
      }
      await load.finish(lastKill);
    },
  },
];

async function killAndStart({ server, random }: Lab): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, random() * 20));
  const at = performance.now();
  await server.kill();
  await server.start();
  return at;
}

function keepsNothing({ durability }: Lab['capabilities']): string | undefined {
  return durability === 'none' ? 'Its declared durability is `none`.' : undefined;
}
