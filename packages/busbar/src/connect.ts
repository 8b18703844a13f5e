/** Opens the bus that a name, a URL or the environment selects. */

import { type Bus, type BusOptions, openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { checkNamespace } from './bus-url.ts';
import { withNamespace } from './composed-url.ts';
import { createProjectFolder, locateBus } from './config/locate-bus.ts';
import { checkHubCommand, type HubCommand } from './hub-command.ts';
import { openUrl } from './schemes.ts';

/** Options of {@link connectTransport}. */
export interface ConnectTransportOptions {
  /** The namespace: a separate bus on the same server or file. Overrides the URL's `ns`. */
  readonly ns?: string | undefined;
  /**
   * How long to wait for a server that cannot be reached, in ms, Infinity for no limit. Default: that of the URL, else 0, which
   * fails at once. Backends without a server ignore it.
   */
  readonly waitForServerMs?: number | undefined;
  /**
   * The program of a hub that this process starts, such as `{ command: 'busbar' }`. Bundles need it for `unix`, `zmq:ipc` and `ws:FILE`.
   * Default: the command of this package.
   */
  readonly hub?: HubCommand | undefined;
}

/** Options of {@link connect}. */
export interface ConnectOptions extends BusOptions, ConnectTransportOptions {}

/**
 * Opens the bus that `url` names: a short name (`sqlite`), a URL (`sqlite:./bus.db`), or a name in the nearest
 * `busbar.config.json`. Without `url` it uses `MESSAGE_BUS`, then the config file, then a SQLite file in the project's
 * `.busbar` folder. Rejects an unknown name with INVALID_ARGUMENT and lists the valid ones.
 */
export async function connect(url?: string, options: ConnectOptions = {}): Promise<Bus> {
  const { ns, waitForServerMs, hub, ...busOptions } = options;
  const transport = await connectTransport(url, { ns, waitForServerMs, hub });
  try {
    return openBus(transport, busOptions);
  } catch (error) {
    await transport.close();
    throw error;
  }
}

/** Like {@link connect}, but opens only the transport below the bus. */
export async function connectTransport(
  url?: string,
  { ns, waitForServerMs, hub }: ConnectTransportOptions = {},
): Promise<Transport> {
  checkHubCommand(hub);
  const located = locateBus(url);
  createProjectFolder(located);
  if (ns === undefined) return openUrl(located.url, { waitForServerMs, hub });
  checkNamespace(ns, 'ns');
  return openUrl(withNamespace(located.url, ns), { waitForServerMs, hub });
}
