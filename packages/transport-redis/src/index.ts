/** The Redis transport: agents on any number of machines over one server, or its cluster. */

import { openTransport } from '@busbar/api/driver';
import { newId, type Transport } from '@busbar/api/transport';
import { Link } from './connection/client.ts';
import { SCRIPTS } from './lua/scripts.ts';
import { type RedisOptions, toSettings } from './options.ts';
import { RedisDriver } from './redis-driver.ts';

export type { RedisOptions, RetentionOptions, TlsOptions } from './options.ts';
export { parseRedisUrl } from './url.ts';

/** Opens a bus on a Redis server, 7.0 or newer. */
export async function openRedis(options?: RedisOptions): Promise<Transport> {
  const settings = toSettings(options);
  const link = await Link.open(settings);
  try {
    const bounds = { deadline: performance.now() + settings.connectTimeoutMs, repeat: true };
    const [store] = (await link.run(SCRIPTS.place, [newId().replaceAll('-', '')], bounds)) as Buffer[];
    return openTransport(new RedisDriver(link, settings, String(store)));
  } catch (error) {
    link.close();
    throw error;
  }
}
