/** Shared tasks: one worker at a time handles a task, failures are retried, and results are stored. */

import { connect, RejectError } from 'busbar';

await using bus = await connect(undefined, {
  onError: ({ error, place }) => console.log(place, error.code), // tasks of square HANDLER_FAILED
});

const workers = await bus.process<number, number>(
  'square',
  async (task, ctx) => {
    if (task.body < 0) throw new RejectError('negative numbers have no square here'); // a dead letter at once
    ctx.progress(0.5);
    return task.body ** 2;
  },
  { concurrency: 4 },
);

const handles = [];
for (const number of [1, 2, 3]) handles.push(await bus.enqueue<number, number>('square', number, { priority: 9 }));
console.log(await Promise.all(handles.map((handle) => handle.result({ timeoutMs: 5_000 })))); // [ 1, 4, 9 ]

const bad = await bus.enqueue<number, number>('square', -1);
console.log(await bad.result({ timeoutMs: 5_000 }).catch((error) => error.code)); // HANDLER_FAILED
console.log((await bus.deadLetters('square').browse()).messages.length); // 1
await bus.deadLetters('square').purge();
await workers.close();
