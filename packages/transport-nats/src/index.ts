/** The NATS transport: a bus over one JetStream stream a namespace. */

import { openTransport } from '@busbar/api/driver';
import type { Transport } from '@busbar/api/transport';
import { NatsDriver } from './nats-driver.ts';
import { type NatsOptions, toSettings } from './options.ts';
import { parseNatsUrl } from './url.ts';

export type { RetentionOptions, TlsOptions } from './options.ts';
export { type NatsOptions, parseNatsUrl };

/** Opens a bus on a NATS server. Throws INVALID_ARGUMENT for bad options, UNAVAILABLE where no server is. */
export async function openNats(options?: NatsOptions): Promise<Transport> {
  return openTransport(await NatsDriver.open(toSettings(options)));
}
