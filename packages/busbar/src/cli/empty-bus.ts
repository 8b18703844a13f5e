/** What stands for a bus that does not exist yet. */

import type { Transport } from '@busbar/api/transport';
import { openUrl } from '../schemes.ts';

/** An empty bus in memory, instead of one that does not exist yet. */
export async function openEmpty(url: string): Promise<Transport> {
  const transport = await openUrl('memory:');
  const name = url.slice(0, url.indexOf(':'));
  return new Proxy(transport, {
    get: (target, key) => {
      if (key === 'name') return name;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
