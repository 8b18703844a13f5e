// A hybrid of a Redis server of its own and a SQLite file.
import type { Delivery, Transport } from '@busbar/api/transport';
import { type RedisServer, startRedis, tempDir } from '@busbar/testbed';
import { openRedis, parseRedisUrl } from '@busbar/transport-redis';
import { openSqlite } from '@busbar/transport-sqlite';
import { type HybridOptions, openHybrid } from '../../src/index.ts';

export interface Setting extends AsyncDisposable {
  readonly server: RedisServer;
  /** Opens another hybrid over the same parts. */
  open(options?: HybridOptions): Promise<Transport>;
  /** The parts themselves. */
  readonly fast: Transport;
  readonly durable: Transport;
}

/** Starts a server. `options` are those of every hybrid that does not have its own. */
export async function startSetting(options: HybridOptions = {}): Promise<Setting> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startRedis());
  const dir = stack.use(tempDir('busbar-hybrid'));
  const fast = { name: 'redis', opensLate: true, open: (): Promise<Transport> => openRedis(parseRedisUrl(server.url)) };
  const durable = { name: 'sqlite', open: (): Promise<Transport> => openSqlite({ file: dir.join('bus.db') }) };
  const parts = { fast: stack.use(await fast.open()), durable: stack.use(await durable.open()) };
  const kept = stack.move();
  return {
    ...parts,
    server,
    open: async (own = options) => kept.use(await openHybrid({ fast, durable }, own)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export function idsOf(messages: readonly { readonly id: string }[]): string[] {
  return messages.map(({ id }) => id);
}

/** Acks deliveries. */
export async function ack({ queues }: Transport, deliveries: readonly Delivery[]): Promise<void> {
  await queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
}
