/** The Redis transport: one bus for agents on any number of machines, over one server or a cluster. */

import { openTransport } from '@busbar/api/driver';
import { newId, type Transport } from '@busbar/api/transport';
import { ReconnectingClient } from './connection/client.ts';
import { checkFormat, FORMAT } from './connection/store-header.ts';
import { OPEN_STORE } from './lua/store-header.ts';
import { type RedisOptions, toSettings } from './options.ts';
import { RedisDriver } from './redis-driver.ts';

export type { RetentionOptions, TlsOptions } from '@busbar/api/driver';
export { parseRedisUrl, type RedisOptions } from './options.ts';

/** Opens a bus on a Redis server, 7.0 or newer. */
export async function openRedis(options?: RedisOptions): Promise<Transport> {
  const settings = toSettings(options);
  const client = await ReconnectingClient.open(settings);
  try {
    const incarnation = await openStore(client, performance.now() + settings.connectTimeoutMs);
    return openTransport(new RedisDriver(client, settings, incarnation));
  } catch (error) {
    client.close();
    throw error;
  }
}

/** Writes the header of a new namespace. Returns the incarnation: an id that lasts until the namespace is removed. */
async function openStore(client: ReconnectingClient, deadline: number): Promise<string> {
  const args = [FORMAT, newId().replaceAll('-', '')];
  const [format, incarnation] = (await client.run(OPEN_STORE, args, { deadline, repeat: true })) as Buffer[];
  checkFormat(format);
  return String(incarnation);
}
