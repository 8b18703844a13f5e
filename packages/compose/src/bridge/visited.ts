/** The header that says in which stores a message has been, so that it never comes back to one of them. */

import type { Headers } from '@busbar/api/transport';

/** Handlers do not see it: the prefix is reserved. */
const HEADER = 'bus-bridge';

/** Whether a message has been in the store with this id. */
export function hasVisited(headers: Headers, storeId: string): boolean {
  return visitedStores(headers).includes(storeId);
}

/** The headers of a message that leaves the store with this id. */
export function leaving(headers: Headers, storeId: string): Headers {
  return { ...headers, [HEADER]: [...visitedStores(headers), storeId].join(',') };
}

function visitedStores(headers: Headers): string[] {
  const value = headers[HEADER];
  return value === undefined || value === '' ? [] : value.split(',');
}
