/** A worker process: `worker.ts FILE`. It reports each task and follows the commands of the test. */

import { openBus } from '@busbar/api';
import { onParentMessage, sendToParent } from '@busbar/testbed';
import { openSqlite } from '@busbar/transport-sqlite';

const [file = ''] = process.argv.slice(2);
const bus = openBus(await openSqlite({ file }), { onError: () => undefined });

onParentMessage(async (order) => {
  if (order === 'pause') {
    // It stops itself outside of a transaction: an open one would block all other writers.
    process.kill(process.pid, 'SIGSTOP');
  } else if (order === 'lock') {
    const lock = await bus.lock('file', { leaseMs: 1000, owner: '@child' });
    lock.signal.addEventListener('abort', () => sendToParent({ lost: lock.token }));
    sendToParent({ token: lock.token });
  } else {
    await bus.process<number>(
      'work',
      async (task, ctx) => {
        sendToParent({ began: task.body, attempt: ctx.attempt });
        if (order === 'hang') await new Promise(() => undefined);
        if (order === 'block') {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
          await ctx.progress('late');
          sendToParent('late');
        }
        return { by: process.pid, attempt: ctx.attempt };
      },
      { leaseMs: 1000, concurrency: 4 },
    );
  }
});
sendToParent('ready');
