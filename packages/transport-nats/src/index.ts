/** The NATS transport: queues, topics and kv on JetStream. */

import { openTransport, waitForServer } from '@busbar/api/driver';
import type { Transport } from '@busbar/api/transport';
import { NatsDriver } from './nats-driver.ts';
import { type NatsOptions, parseNatsUrl, toSettings } from './options.ts';

export type { RetentionOptions, TlsOptions } from '@busbar/api/driver';
export { type NatsOptions, parseNatsUrl };

/** Opens a bus on a NATS server. Throws INVALID_ARGUMENT for bad options, UNAVAILABLE without a server, at once or after `waitForServerMs`. */
export async function openNats(options?: NatsOptions): Promise<Transport> {
  const settings = toSettings(options);
  return openTransport(await waitForServer(() => NatsDriver.open(settings), settings.waitForServerMs), settings);
}
