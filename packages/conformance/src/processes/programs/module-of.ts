/** Where the modules are that cases run in other processes. */

import { extname } from 'node:path';

/** The address of a module of this folder, as {@link import('../remote-client.ts').RemoteClient.run} takes it. */
export function moduleOf(name: string): string {
  return new URL(`./${name}${extname(import.meta.url)}`, import.meta.url).href;
}
