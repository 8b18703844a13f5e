/** Connecting: from a name, a URL or nothing to a bus. */

import { type Bus, type BusOptions, openBus } from '@busbar/api';
import { checkText, type Transport } from '@busbar/api/transport';
import { locateBus, prepare } from './config/locate-bus.ts';
import { openUrl } from './schemes.ts';

/** What `connect` takes. */
export interface ConnectOptions extends BusOptions {
  /** The namespace, instead of what the URL says: a bus of its own in the same place. */
  readonly ns?: string;
}

/**
 * Opens the bus that `url` names: a short name (`sqlite`), a URL (`sqlite:./bus.db`), or a name of the nearest
 * `busbar.config.json`. Without it `MESSAGE_BUS` says which, else the config file, else a SQLite file in the project's
 * `.busbar` folder. Rejects with INVALID_ARGUMENT, listing what is legal, for what names no bus.
 */
export async function connect(url?: string, options: ConnectOptions = {}): Promise<Bus> {
  const { ns, ...busOptions } = options;
  const transport = await connectTransport(url, ns);
  try {
    return openBus(transport, busOptions);
  } catch (error) {
    await transport.close();
    throw error;
  }
}

/** Like {@link connect}, for those who want the contract below the bus. */
export async function connectTransport(url?: string, ns?: string): Promise<Transport> {
  const located = locateBus(url);
  prepare(located);
  return openUrl(ns === undefined ? located.url : inNamespace(located.url, ns));
}

function inNamespace(url: string, ns: string): string {
  checkText(ns, 'ns', 64);
  const cut = url.includes('?') ? url.indexOf('?') : url.length;
  const parameters = new URLSearchParams(url.slice(cut));
  parameters.set('ns', ns);
  return `${url.slice(0, cut)}?${parameters}`;
}
