/** Where to begin in the log of events, as flags say it. */

import { type From, invalid } from '@busbar/api/transport';
import { parseTime } from './times.ts';

/** Flags that say where to begin. */
export const FROM_FLAGS = {
  from: { kind: 'text', value: 'start|now|TIME', help: 'where to start: 10m (ago), or a date and time (default now)' },
  after: { kind: 'text', value: 'POSITION', help: 'start after an event, by its position in --json' },
} as const;

/** Where to begin: by default at the next event. Throws INVALID_ARGUMENT. */
export function readFrom({
  from,
  after,
}: {
  readonly from: string | undefined;
  readonly after: string | undefined;
}): From {
  if (from !== undefined && after !== undefined)
    throw invalid('--from and --after exclude each other', 'Use one of them.');
  if (after !== undefined) return { after };
  if (from === undefined || from === 'now') return 'new';
  if (from === 'start') return 'start';
  return { time: parseTime(from, '--from', 'start, now, ') };
}
