/** The names of durable subscriptions and their queues. */

import { checkUserName } from '../../contract/names.ts';

/** Returns `name`. Throws INVALID_ARGUMENT unless it is a legal name of a durable subscription. */
export function checkDurableName(name: unknown): string {
  checkUserName(name, 'durable name');
  return name;
}

/** The queue of a durable subscription. */
export function durableQueue(name: string): string {
  return `$sub.${name}`;
}
