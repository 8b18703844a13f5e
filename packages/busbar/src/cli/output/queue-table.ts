/** Tables of queues with their counts and rates. */

import type { BusStats } from '@busbar/api';
import { formatDuration } from '../input/durations.ts';
import type { Output } from './output.ts';
import { kindOf, shortName } from './queue-name.ts';
import { COUNT_HEADINGS, countsOf } from './states.ts';
import { tableLines } from './table.ts';

type QueueStats = BusStats['queues'][number];

/** Queues with their counts, and with rates where they were measured. */
export function queueTable(queues: readonly QueueStats[], out: Output): string[] {
  const hasRates = queues.some(({ rates }) => rates !== undefined);
  const rates = hasRates ? ['?#SENT/S', '?#DONE/S'] : ['?#SENT'];
  const rows = queues.map((queue) => [
    shortName(queue.name),
    ...countsOf(queue).map(String),
    queue.ready === 0 ? '-' : formatDuration(queue.oldestAgeMs),
    ...(hasRates ? [toRate(queue.rates?.sent), toRate(queue.rates?.done)] : [String(queue.totals.sent)]),
    kindOf(queue.name),
  ]);
  return tableLines(['!QUEUE', ...COUNT_HEADINGS, '#OLDEST', ...rates, '?KIND'], rows, out);
}

/** A rate per second. */
export function toRate(perSecond = 0): string {
  return perSecond >= 10 || perSecond === 0 ? perSecond.toFixed(0) : perSecond.toFixed(1);
}
