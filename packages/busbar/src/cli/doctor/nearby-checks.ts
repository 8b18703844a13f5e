/** Checks for other stores nearby: messages in them wait for processes that use another bus. */

import { workingFolder } from '../../config/locate-bus.ts';
import { nearbyStores } from '../../config/nearby-stores.ts';
import { storeFileOf } from '../../schemes.ts';
import { quoteForShell } from '../output/printable.ts';
import { count } from '../output/table.ts';
import type { Session } from '../session.ts';
import { type Finding, warn } from './finding.ts';

/** A warning for each store nearby that holds messages. */
export async function checkNearby(url: string, { env }: Session): Promise<Finding[]> {
  const stores = await nearbyStores(workingFolder(), env, await storeFileOf(url));
  return stores.map(({ file, messages, dead, namespaces }) => {
    const held =
      dead === 0 ? count(messages, 'message') : `${count(messages, 'message')} and ${count(dead, 'dead letter')}`;
    const spaces = namespaces.length === 0 ? '' : `, ns ${namespaces.join(', ')}`;
    const hint = `busbar stats --url ${quoteForShell(`sqlite:${file}`)}`;
    return warn('nearby', `${file} holds ${held}${spaces}: another bus than this one`, hint);
  });
}
