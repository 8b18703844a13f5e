/** Begins and ends each kind of work on a bus: `idle.ts memory|sqlite FILE`. Prints what keeps this process alive meanwhile. */

import { type Bus, openBus } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { openSqlite } from '@busbar/transport-sqlite';

const FOREVER = Number.POSITIVE_INFINITY;
type Close = () => unknown;

const waits: readonly (readonly [string, (bus: Bus) => Promise<Close>])[] = [
  ['an agent', (bus) => bus.agent('@a').then((agent) => () => agent.close())],
  [
    'a handler of an agent without presence',
    async (bus) => {
      const agent = await bus.agent('@a', { presence: false });
      agent.handle('note', () => undefined);
      return () => agent.close();
    },
  ],
  [
    'a receive by hand',
    async (bus) => {
      const agent = await bus.agent('@a', { presence: false });
      const end = new AbortController();
      const receive = agent.receive({ waitMs: FOREVER, signal: end.signal }).catch(() => undefined);
      return () => {
        end.abort();
        return receive;
      };
    },
  ],
  ['a subscription', (bus) => bus.subscribe('news', () => undefined).then((one) => () => one.close())],
  [
    'a durable subscription',
    (bus) => bus.subscribe('news', () => undefined, { durableName: 'd' }).then((one) => () => one.close()),
  ],
  ['a worker', (bus) => bus.process('work', () => undefined).then((one) => () => one.close())],
  ['a watch of agents', (bus) => bus.watchAgents(() => undefined).then((one) => () => one.close())],
  ['a watch of keys', (bus) => bus.transport.kv.watch('a', () => undefined).then((one) => () => one.close())],
  [
    'a handle that waits for a result',
    async (bus) => {
      const task = await bus.enqueue('work', 1);
      const result = task.result({ timeoutMs: FOREVER }).catch(() => undefined);
      return async () => {
        await task.cancel();
        await result;
      };
    },
  ],
  [
    'work under a lock',
    async (bus) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
      const done = bus.lock('a', () => {
        begin();
        return promise;
      });
      await begun;
      return () => {
        resolve();
        return done;
      };
    },
  ],
  [
    'a wait for a lock',
    async (bus) => {
      const lock = await bus.lock('a');
      const second = bus.lock('a', { waitMs: FOREVER });
      return async () => {
        await lock.release();
        await (await second).release();
      };
    },
  ],
  [
    'a scheduler',
    async (bus) => {
      await bus.schedules.put('daily', { cron: '@daily', queue: 'work' });
      const scheduler = bus.schedules.start();
      return () => scheduler.close();
    },
  ],
  [
    'a scheduler that waits for another one',
    async (bus) => {
      const lock = await bus.lock('busbar/scheduler');
      const scheduler = bus.schedules.start();
      return () => Promise.all([scheduler.close(), lock.release()]);
    },
  ],
];

const rests: readonly (readonly [string, (bus: Bus) => Promise<unknown>])[] = [
  ['nothing', async () => undefined],
  ['an agent that only sends', (bus) => bus.agent('@a', { presence: false })],
  ['a paused worker', async (bus) => (await bus.process('work', () => undefined)).pause()],
  ['a task that waits for a worker', (bus) => bus.enqueue('work', 1, { delayMs: 60_000 })],
  ['a lock that is held', (bus) => bus.lock('a')],
  ['a schedule', (bus) => bus.schedules.put('daily', { cron: '@daily', queue: 'work' })],
  [
    'a message in hand',
    async (bus) => {
      const agent = await bus.agent('@a', { presence: false });
      await bus.send('@a', 'note');
      await agent.receive();
    },
  ],
  [
    'a request that is answered',
    async (bus) => {
      const agent = await bus.agent('@a');
      agent.handle('add', () => 1);
      await bus.request('@a', 'add');
      await agent.close();
    },
  ],
];

/** Whether a timer keeps this process alive. The transports here have no sockets. */
const isHeld = (): boolean => process.getActiveResourcesInfo().includes('Timeout');

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Whether a timer keeps this process alive in each of many turns of the event loop, at its end. */
async function staysHeld(): Promise<boolean> {
  for (let turns = 0; turns < 200; turns += 1) {
    await turn();
    if (!isHeld()) return false;
  }
  return true;
}

/** Whether nothing keeps this process alive within five seconds. */
async function comesFree(): Promise<boolean> {
  for (const until = performance.now() + 5_000; isHeld() && performance.now() < until; ) await turn();
  return !isHeld();
}

const [kind, file = ''] = process.argv.slice(2);
const open = (): Promise<Bus> =>
  (kind === 'memory' ? openMemory({ name: file }) : openSqlite({ file })).then((transport) =>
    openBus(transport, { onError: () => undefined }),
  );

for (const [name, begin] of waits) {
  const bus = await open();
  const end = await begin(bus);
  const held = await staysHeld();
  await end();
  console.log(JSON.stringify({ name, held, free: await comesFree() }));
  await bus.close();
}
for (const [name, leave] of rests) {
  const bus = await open();
  await leave(bus);
  console.log(JSON.stringify({ name, held: false, free: await comesFree() }));
  await bus.close();
}
