/** URLs of the modules that cases run in other processes. */

import { extname } from 'node:path';

/** URL of a module of this folder, for {@link import('../remote-client.ts').RemoteClient.run}. */
export function moduleOf(name: string): string {
  return new URL(`./${name}${extname(import.meta.url)}`, import.meta.url).href;
}
