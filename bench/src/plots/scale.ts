/** Scales: from values to pixels, with round ticks. */

/** A scale with its ticks. */
export interface Scale {
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** The pixels of the lowest and of the highest value. */
export type Range = readonly [low: number, high: number];

/** From 0 to a round number at or above `most`. */
export function linear(most: number, [low, high]: Range, steps = 4): Scale {
  const step = roundStep(most / steps);
  const end = Math.max(step, Math.ceil(most / step) * step);
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, index) => index * step);
  return { ticks, at: (value) => low + ((high - low) * value) / end };
}

/** From a power of ten at or below `least` to one at or above `most`. */
export function logarithmic(least: number, most: number, [low, high]: Range): Scale {
  const [first, last] = [
    Math.floor(Math.log10(least)),
    Math.max(Math.floor(Math.log10(least)) + 1, Math.ceil(Math.log10(most))),
  ];
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
  return { ticks, at: (value) => low + ((high - low) * (Math.log10(value) - first)) / (last - first) };
}

/** Each of the values, evenly spaced. */
export function points(values: readonly number[], [low, high]: Range): Scale {
  const gap = (high - low) / Math.max(1, values.length - 1);
  return { ticks: values, at: (value) => low + gap * values.indexOf(value) };
}

/** 1, 2 or 5 times a power of ten, at or above `value`. */
function roundStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return ([1, 2, 5].find((factor) => factor * power >= value) ?? 10) * power;
}

/** A number on an axis or beside a mark: `950`, `12k`, `1.5k`, `0.2`. */
export function brief(value: number): string {
  if (Math.abs(value) >= 999_500) return `${trim(value / 1e6)}M`;
  if (Math.abs(value) >= 999.5) return `${trim(value / 1000)}k`;
  return trim(value);
}

function trim(value: number): string {
  return String(Number(value.toPrecision(Math.abs(value) >= 100 ? 3 : 2)));
}
