// A program that moves a bus, or bridges a queue, between two files. The mover stops itself in the step that is named.
import { writeFileSync } from 'node:fs';
import { sendToParent } from '@busbar/testbed';
import { openSqlite } from '@busbar/transport-sqlite';
import { bridgeStores, moveBus, type StoreEnds } from '../../src/index.ts';

const [work = '', from = '', to = '', step = ''] = process.argv.slice(2);
const [one, two] = [await openSqlite({ file: from }), await openSqlite({ file: to })];
const ends: StoreEnds = { from: { transport: one, name: 'from' }, to: { transport: two, name: 'to' } };

let isStopped = false;

async function run(): Promise<unknown> {
  if (work === 'bridge') return bridgeStores(ends, { queues: ['work'], signal: new AbortController().signal });
  return moveBus(ends, {
    onProgress(progress) {
      if (progress.step !== step || isStopped) return;
      isStopped = true;
      writeFileSync(`${from}.stopped`, '');
      process.kill(process.pid, 'SIGSTOP');
    },
  });
}

await run().then(
  () => sendToParent({ ended: 'done' }),
  (error: { code?: string; message?: string }) => sendToParent({ ended: `${error.code}: ${error.message}` }),
);
