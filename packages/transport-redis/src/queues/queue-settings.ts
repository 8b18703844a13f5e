/** Settings of queues as the server holds them: numbers, -1 for never. */

import { QUEUE_DEFAULTS, type QueueSettings } from '@busbar/api/transport';

/** What a new queue is set to: as JSON, for scripts. */
export function newQueueJson(settings: QueueSettings = {}): string {
  return JSON.stringify(Object.fromEntries(toFields({ ...QUEUE_DEFAULTS, ...settings })));
}

/** A queue that nobody configured. */
export const NEW_QUEUE: string = newQueueJson();

/** Names and values of the settings that are given. */
export function toFields(settings: QueueSettings): [string, number][] {
  return Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, toNumber(value)]);
}

function toNumber(value: number | boolean): number {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return value === Number.POSITIVE_INFINITY ? -1 : value;
}
