/** `unix:PATH` URLs. */

import { readUrlPath } from '@busbar/api/driver';
import { invalid } from '@busbar/api/transport';
import { toSocketPath } from '@busbar/wire';
import { type HubSpawnOptions, PATH_PARAMETERS, readParameters, type UnixOptions } from '../../options.ts';
import { type LinkScheme, pathConfig } from '../connect-config.ts';
import { isListening, unixClient } from './unix-client.ts';
import { unixHub } from './unix-hub.ts';

/** Unix sockets. */
export const unixScheme: LinkScheme = {
  connect(url) {
    const { path, ...options } = parseUnixUrl(url);
    return pathConfig(options, unixClient(path), { path, prefix: 'unix:', isListening });
  },
  listen: (url) => unixHub(parseUnixUrl(url).path),
};

/**
 * The options in a `unix:` URL. Its path is absolute or relative to the working directory, and percent-encoded. Parameters
 * are those of {@link LinkOptions} and {@link HubSpawnOptions}.
 */
export function parseUnixUrl(url: string): Omit<UnixOptions, 'start'> & HubSpawnOptions {
  const [, path, query = ''] = /^unix:([^?#]*)(?:\?([^#]*))?$/is.exec(String(url)) ?? [];
  if (path === undefined) {
    const hint = 'Write unix:./bus.sock, unix:///absolute/path.sock or unix:path?store=memory:.';
    throw invalid('this is not a unix: URL', hint);
  }
  return { path: toSocketPath(readUrlPath(path, 'unix')), ...readParameters(query, PATH_PARAMETERS, 'unix') };
}
