// A mover and a bridge that are stopped for longer than they may hold a store, as on a suspended machine.
import { existsSync } from 'node:fs';
import type { Transport } from '@busbar/api/transport';
import { type Child, spawnChild, tempDir, waitFor } from '@busbar/testbed';
import { openSqlite } from '@busbar/transport-sqlite';
import { expect, test } from 'vitest';
import { bridgeStores, moveBus, type StoreEnds } from '../src/index.ts';

const body = Buffer.from('x');
const program = new URL('./programs/stopped.ts', import.meta.url);
/** Beyond the ten seconds after which a store opens, and a lock ends. */
const LONG_MS = 30_000;

interface Ended {
  readonly ended: string;
}

interface Setting extends AsyncDisposable {
  readonly ends: StoreEnds;
  readonly files: readonly [string, string];
}

async function setting(): Promise<Setting> {
  const dir = tempDir('busbar-stopped');
  const files = [dir.join('from.db'), dir.join('to.db')] as const;
  const [from, to] = [await openSqlite({ file: files[0] }), await openSqlite({ file: files[1] })];
  return {
    files,
    ends: { from: { transport: from, name: 'from' }, to: { transport: to, name: 'to' } },
    async [Symbol.asyncDispose]() {
      await Promise.all([from.close(), to.close()]);
      await dir[Symbol.asyncDispose]();
    },
  };
}

test.concurrent.each(['drain', 'transfer', 'verify', 'cutover'])(
  'a mover that was stopped in the step %s changes nothing when it wakes',
  { timeout: 90_000 },
  async (step) => {
    await using stores = await setting();
    const [from, to] = [stores.ends.from.transport, stores.ends.to.transport];
    await from.queues.send('work', [{ id: 'before', body }]);
    await using mover = spawnChild({ file: program, args: ['move', ...stores.files, step] });
    const stateOf = async (): Promise<string> => (await from.admin.gate()).state;
    await waitFor(() => existsSync(`${stores.files[0]}.stopped`), { what: 'the stop', timeoutMs: LONG_MS });
    expect(await stateOf()).toBe(step === 'drain' ? 'draining' : 'closed');
    await waitFor(async () => (await stateOf()) === 'open', { what: 'the source to open', timeoutMs: LONG_MS });
    expect(await from.queues.send('work', [{ id: 'meanwhile', body }])).toMatchObject([{ status: 'stored' }]);
    mover.cont();
    expect(await mover.next<Ended>()).toMatchObject({ ended: expect.stringContaining('CONFLICT') });
    expect(await stateOf()).toBe('open');
    const report = await moveBus(stores.ends);
    expect(report.records.messages).toBe(2);
    expect((await to.queues.receive('work', { max: 5 })).map(({ id }) => id)).toEqual(['before', 'meanwhile']);
  },
);

test.concurrent('a bridge that was stopped forwards nothing after another one took its place', {
  timeout: 90_000,
}, async () => {
  await using stores = await setting();
  const [from, to] = [stores.ends.from.transport, stores.ends.to.transport];
  const ids = Array.from({ length: 5_000 }, (_, index) => `m${String(index).padStart(5, '0')}`);
  for (let at = 0; at < ids.length; at += 1_000) {
    await from.queues.send(
      'work',
      ids.slice(at, at + 1_000).map((id) => ({ id, body })),
    );
  }
  const arrived = async (): Promise<number> => (await to.admin.queues({ names: ['work'] }))[0]?.ready ?? 0;
  await using stopped = spawnChild({ file: program, args: ['bridge', ...stores.files] });
  await waitFor(async () => (await arrived()) > 0, { what: 'the first messages', timeoutMs: LONG_MS });
  await stopBetweenWrites(stopped, [from, to]);
  const end = new AbortController();
  const running = bridgeStores(stores.ends, { queues: ['work'], signal: end.signal });
  await waitFor(async () => (await arrived()) === ids.length, { what: 'all messages', timeoutMs: 2 * LONG_MS });
  stopped.cont();
  expect(await stopped.next<Ended>()).toMatchObject({ ended: expect.stringContaining('runs already') });
  expect(await from.queues.send('work', [{ id: 'last', body }])).toMatchObject([{ status: 'stored' }]);
  await waitFor(async () => (await arrived()) === ids.length + 1, { what: 'the last message', timeoutMs: LONG_MS });
  end.abort();
  await running;
  const seen: string[] = [];
  while (seen.length < ids.length + 1)
    seen.push(...(await to.queues.receive('work', { max: 1_000 })).map(({ id }) => id));
  expect(seen).toEqual([...ids, 'last']);
});

/** Stops a program at a moment when it does not write: SQLite would let no other process write until it goes on. */
async function stopBetweenWrites(program: Child, stores: readonly Transport[]): Promise<void> {
  for (;;) {
    program.stop();
    const probes = stores.map(({ kv }) => kv.put('probe', body, { timeoutMs: 500 }));
    if ((await Promise.allSettled(probes)).every(({ status }) => status === 'fulfilled')) return;
    program.cont();
  }
}
