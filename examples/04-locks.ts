/** A lock with a fencing token: two agents never edit the same file at once. */

import { connect } from 'busbar';

await using bus = await connect();

const order: number[] = [];
const edit = (editor: number) =>
  bus.lock(
    'agents.md',
    async (lock) => {
      order.push(editor);
      return lock.token; // rises with each holder: a store can refuse a writer whose lock ended
    },
    { leaseMs: 30_000 },
  );

const [first, second] = await Promise.all([edit(1), edit(2)]);
console.log(order.length, first !== second); // 2 true
