/** Opens the bus that a name, a URL or the environment selects. */

import { type Bus, type BusOptions, openBus } from '@busbar/api';
import { checkBoolean, invalid, type Transport } from '@busbar/api/transport';
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
   * The time-out of each call to the store that has no `timeoutMs`, 100 or more, Infinity for no limit. Requests and waits for
   * results keep their own. Default: that of the URL, else 30,000.
   */
  readonly callTimeoutMs?: number | undefined;
  /**
   * Whether a bus must be named: by `url`, `MESSAGE_BUS` or a config file. Otherwise it rejects with INVALID_ARGUMENT, and no
   * SQLite file is created in the project's folder. For services. Default false.
   */
  readonly required?: boolean | undefined;
  /**
   * The program of a hub that this process starts, such as `{ command: 'busbar' }`. Bundles need it for `unix`, `zmq:ipc` and `ws:FILE`.
   * With false it starts none, and rejects with UNAVAILABLE where none listens. Default: the command of this package.
   */
  readonly hub?: HubCommand | false | undefined;
}

/** Options of {@link connect}. */
export interface ConnectOptions extends BusOptions, ConnectTransportOptions {}

/**
 * Opens the bus that `url` names: a short name (`sqlite`), a URL (`sqlite:./bus.db`), or a name in the nearest
 * `busbar.config.json`. Without `url` it uses `MESSAGE_BUS`, then the config file, then a SQLite file in the project's
 * `.busbar` folder. Rejects an unknown name with INVALID_ARGUMENT and lists the valid ones.
 */
export async function connect(url?: string, options: ConnectOptions = {}): Promise<Bus> {
  const { ns, waitForServerMs, callTimeoutMs, required, hub, ...busOptions } = options;
  const transport = await connectTransport(url, { ns, waitForServerMs, callTimeoutMs, required, hub });
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
  { ns, required = false, ...options }: ConnectTransportOptions = {},
): Promise<Transport> {
  checkHubCommand(options.hub);
  checkBoolean(required, 'required');
  const located = locateBus(url);
  if (required && located.origin === 'default') {
    throw invalid('no bus is named', 'Set MESSAGE_BUS, pass a URL, or name the bus in busbar.config.json.');
  }
  createProjectFolder(located);
  if (ns === undefined) return openUrl(located.url, options);
  checkNamespace(ns, 'ns');
  return openUrl(withNamespace(located.url, ns), options);
}
