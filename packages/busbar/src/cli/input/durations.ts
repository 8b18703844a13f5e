/** Durations on the command line: `250ms`, `30s`, `5m`, `2h`, `7d`. */

import { invalid, quote } from '@busbar/api/transport';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const FORM = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)$/;

/** True if `text` has the form of a duration. */
export function isDuration(text: string): boolean {
  return text === '0' || FORM.test(text);
}

/** Converts `text`, given for `name`, to milliseconds. Throws INVALID_ARGUMENT for bad text or a value out of bounds. */
export function parseDuration(text: string, name: string, min: number, max: number): number {
  const [, amount, unit = ''] = FORM.exec(text) ?? [];
  const ms = text === '0' ? 0 : Number(amount) * (UNITS[unit] ?? Number.NaN);
  if (Number.isNaN(ms))
    throw invalid(`${name} is not a duration: ${quote(text)}`, 'Write it like 250ms, 30s, 5m, 2h or 7d.');
  if (ms < min || ms > max) {
    throw invalid(`${name} is out of bounds: ${quote(text)}`, `Use ${formatDuration(min)} to ${formatDuration(max)}.`);
  }
  return ms;
}

/** A rounded duration that {@link parseDuration} can read: `1.5s`, `3m`, `2h`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return 'forever';
  if (ms < 1_000) return `${ms < 10 ? Math.round(ms * 100) / 100 : Math.round(ms)}ms`;
  let best = 's';
  for (const [unit, size] of Object.entries(UNITS)) if (size > 1_000 && ms >= size) best = unit;
  const amount = ms / (UNITS[best] ?? 1);
  return `${amount < 10 ? Math.round(amount * 10) / 10 : Math.round(amount)}${best}`;
}
