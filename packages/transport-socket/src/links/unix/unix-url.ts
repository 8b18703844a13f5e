/** A URL of a Unix socket, as a client understands it. */

import { type ClientPlan, ownPlan } from '../connect-config.ts';
import { parseUnixUrl } from '../url.ts';
import { isListening, unixClient } from './unix-client.ts';

/** How to reach the hub at a `unix:` URL. */
export function unixPlan(url: string): ClientPlan {
  const { path, start: _, ...options } = parseUnixUrl(url);
  return ownPlan(options, unixClient(path), { path, scheme: 'unix:', isListening });
}
