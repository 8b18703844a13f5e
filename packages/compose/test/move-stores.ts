// Two stores with something to move between them.
import type { Transport } from '@busbar/api/transport';
import { tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { openSqlite } from '@busbar/transport-sqlite';
import type { StoreEnds } from '../src/index.ts';

export const body = Buffer.from('x');

export interface Stores extends AsyncDisposable {
  readonly ends: StoreEnds;
}

export async function stores(): Promise<Stores> {
  const dir = tempDir('busbar-move');
  const [from, to] = await Promise.all([openSqlite({ file: dir.join('from.db') }), openMemory()]);
  return {
    ends: { from: { transport: from, name: 'sqlite:./from.db' }, to: { transport: to, name: 'memory:to' } },
    async [Symbol.asyncDispose]() {
      await Promise.all([from.close(), to.close()]);
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** One of everything. */
export async function fill({ queues, topics, kv }: Transport): Promise<void> {
  await queues.send('work', [
    { id: 'dead', body },
    { id: 'one', body },
    { id: 'late', body, delayMs: 60_000 },
  ]);
  const [first] = await queues.receive('work');
  await queues.settle([{ receipt: first?.receipt ?? '', action: 'reject', reason: 'broken' }]);
  await addEventsAndKeys({ topics, kv });
}

/** Two events in a binding and in the history, and two keys. */
export async function addEventsAndKeys({ topics, kv }: Pick<Transport, 'topics' | 'kv'>): Promise<void> {
  await topics.bind('bound', 'news.*');
  await topics.publish('news.a', [
    { id: 'e1', body },
    { id: 'e2', body },
  ]);
  await kv.put('lasting', body);
  await kv.put('short', body, { ttlMs: 60_000 });
}
