/** Numbers with units, as people write them in URLs and read them in a README. */

const MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const FORM = /^(\d{1,15}(?:\.\d{1,3})?)([A-Za-z]*)$/;

/** Digits or `Infinity` as a number; other text as it is. */
export function readNumber(text: string): number | string {
  if (text === 'Infinity') return Number.POSITIVE_INFINITY;
  return /^\d{1,16}$/.test(text) ? Number(text) : text;
}

/** `1500`, `30s`, `5m`, `2h`, `7d` or `Infinity` in milliseconds; other text as it is. */
export function readDuration(text: string): number | string {
  return readUnits(text, MS);
}

/** `1024`, `64KiB`, `16MiB`, `1GiB` or `Infinity` in bytes; other text as it is. */
export function readBytes(text: string): number | string {
  return readUnits(text, BYTES);
}

/** `7 d`, `1.5 s`. */
export function formatDuration(ms: number): string {
  const { m: _, ...units } = MS;
  return formatUnits(ms, units);
}

/** `64 MiB`. */
export function formatBytes(bytes: number): string {
  return formatUnits(bytes, BYTES);
}

/** `100,000`. Without `toLocaleString`, which loads the locales: a tenth of the start of a command. */
export function formatCount(count: number): string {
  const [whole = '', ...fraction] = String(count).split('.');
  return [whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ','), ...fraction].join('.');
}

function readUnits(text: string, units: Readonly<Record<string, number>>): number | string {
  const plain = readNumber(text);
  if (typeof plain === 'number') return plain;
  const [, amount, unit = ''] = FORM.exec(text) ?? [];
  const size = Object.hasOwn(units, unit) ? units[unit] : undefined;
  return amount === undefined || size === undefined ? text : Number(amount) * size;
}

/** In the largest unit of which it is a whole number. */
function formatUnits(value: number, units: Readonly<Record<string, number>>): string {
  const [unit, size = 1] = Object.entries(units).findLast(([, one]) => value >= one && value % one === 0) ?? [];
  return unit === undefined || !Number.isFinite(value) ? formatCount(value) : `${formatCount(value / size)} ${unit}`;
}
