/** A process that works: `worker.ts FILE`. It says what it begins, and does what it is told. */

import { openBus } from '@busbar/api';
import { onParentMessage, sendToParent } from '@busbar/testbed';
import { openSqlite } from '@busbar/transport-sqlite';

const [file = ''] = process.argv.slice(2);
const bus = openBus(await openSqlite({ file }), { onError: () => undefined });

onParentMessage(async (order) => {
  if (order === 'pause') {
    // By its own hand, where no transaction is open: one that is would keep all others from writing.
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
