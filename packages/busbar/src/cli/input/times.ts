/** Moments on the command line: `10m` (ago), or a date and a time. */

import { invalid, quote } from '@busbar/api/transport';
import { isDuration, parseDuration } from './durations.ts';

const TEN_YEARS_MS = 315_360_000_000;

/** The moment that `text` names, in milliseconds since 1970. Throws INVALID_ARGUMENT; `others` are further legal words. */
export function parseTime(text: string, name: string, others = ''): number {
  if (isDuration(text)) return Date.now() - parseDuration(text, name, 0, TEN_YEARS_MS);
  const time = /^\d{4}-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw invalid(`${name} is illegal: ${quote(text)}`, `Use ${others}10m (ago), or a date like 2026-11-21T09:30.`);
}
