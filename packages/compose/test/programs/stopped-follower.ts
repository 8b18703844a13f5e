// A program that follows moves between an SQLite file and another store, and reports events and changes of keys.
import { sendToParent } from '@busbar/testbed';
import { openRedis, parseRedisUrl } from '@busbar/transport-redis';
import { openSqlite } from '@busbar/transport-sqlite';
import { openMigrate } from '../../src/index.ts';

const [file = '', other = ''] = process.argv.slice(2);
const bus = await openMigrate({
  from: { name: 'a', open: () => openSqlite({ file }) },
  to: {
    name: 'b',
    open: () => (other.startsWith('redis:') ? openRedis(parseRedisUrl(other)) : openSqlite({ file: other })),
  },
});
await bus.topics.subscribe('news', { from: 'new' }, async (events) => {
  for (const { id } of events) await sendToParent({ saw: id });
});
await bus.kv.watch('key', (changes) => {
  for (const change of changes) if (change.kind === 'deleted') void sendToParent({ saw: `${change.key} deleted` });
});
await sendToParent('ready');
