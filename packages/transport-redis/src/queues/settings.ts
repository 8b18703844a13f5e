/** Queue settings as the server stores them: numbers, with -1 for Infinity. */

import { QUEUE_DEFAULTS, type QueueInfo, type QueueSettings } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { CONFIGURE } from '../lua/queues.ts';

/** All settings of a new queue as JSON, for scripts. One that is imported has totals. */
export function newQueueJson(settings: QueueSettings = {}, totals?: QueueInfo['totals']): string {
  return JSON.stringify({ ...Object.fromEntries(toFields({ ...QUEUE_DEFAULTS, ...settings })), ...totals });
}

/** A queue with the default settings. */
export const NEW_QUEUE: string = newQueueJson();

/** Changes the given settings of a queue, creating it if needed. */
export async function configure(
  client: ReconnectingClient,
  queue: string,
  settings: QueueSettings,
  deadline: number,
): Promise<void> {
  const args = [queue, NEW_QUEUE, ...toFields(settings).flat()];
  await client.run(CONFIGURE, args, { deadline, repeat: true });
}

/** Name and value of each given setting. */
function toFields(settings: QueueSettings): [string, number][] {
  return Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, toNumber(value)]);
}

function toNumber(value: number | boolean): number {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return value === Number.POSITIVE_INFINITY ? -1 : value;
}
