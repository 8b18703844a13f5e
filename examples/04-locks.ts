/** A lock with a fencing token: two agents must not edit the same file. */

import { connect } from 'busbar';

await using bus = await connect();

const order: number[] = [];
const edit = (editor: number) =>
  bus.lock(
    'agents.md',
    async (lock) => {
      order.push(editor);
      return lock.token; // rises from holder to holder: a store that keeps the highest refuses who slept past their lease
    },
    { leaseMs: 30_000 },
  );

const [first, second] = await Promise.all([edit(1), edit(2)]);
console.log(order.length, first !== second); // 2 true
