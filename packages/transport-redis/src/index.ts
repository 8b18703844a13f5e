/** The Redis transport: one bus for agents on any number of machines, over one server or a cluster. */

import { openTransport, waitForServer } from '@busbar/api/driver';
import type { Transport } from '@busbar/api/transport';
import { ReconnectingClient } from './connection/client.ts';
import type { PastReply } from './connection/store-past.ts';
import { OPEN_STORE } from './lua/store-header.ts';
import { type RedisOptions, type Settings, toSettings } from './options.ts';
import { RedisDriver } from './redis-driver.ts';

export type { RetentionOptions, TlsOptions } from '@busbar/api/driver';
export { parseRedisUrl, type RedisOptions } from './options.ts';

/** Opens a bus on a Redis server, 7.0 or newer. Without a server it rejects with UNAVAILABLE at once, or after `waitForServerMs`. */
export async function openRedis(options?: RedisOptions): Promise<Transport> {
  const settings = toSettings(options);
  return openTransport(await waitForServer(() => openDriver(settings), settings.waitForServerMs), settings);
}

async function openDriver(settings: Settings): Promise<RedisDriver> {
  const client = await ReconnectingClient.open(settings);
  try {
    await client.run(OPEN_STORE, client.past.args(), {
      deadline: performance.now() + settings.connectTimeoutMs,
      repeat: true,
      onReply: (reply) => client.past.observe(reply as PastReply),
    });
    return new RedisDriver(client, settings);
  } catch (error) {
    client.close();
    throw error;
  }
}
