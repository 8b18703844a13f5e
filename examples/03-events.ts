/** Events: a durable subscriber gets those it missed, and the history can be replayed. */

import { connect } from 'busbar';

await using bus = await connect();

await bus.publish('user.login', { userId: 1 });

const seen: number[] = [];
const { promise: both, resolve } = Promise.withResolvers<void>();
await bus.subscribe<{ userId: number }>(
  'user.*',
  async (event) => {
    seen.push(event.body.userId); // acked when this resolves, retried when it throws
    if (seen.length === 2) resolve();
  },
  { durableName: 'analytics', from: 'start' },
);
await bus.publish('user.login', { userId: 2 });
await both;
console.log(seen); // [ 1, 2 ]

for await (const event of bus.history('user.>', { from: 'start' })) console.log(event.topic, event.body);
