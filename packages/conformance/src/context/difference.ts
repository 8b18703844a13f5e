/** Finds the first difference of two values. */

import { isDeepStrictEqual } from 'node:util';

/** Two different values and their path. */
export interface Difference {
  /** For example `[0].history[1].reason`; empty for the values themselves. */
  readonly path: string;
  readonly actual: unknown;
  readonly expected: unknown;
}

/** Maximum number of characters shown of a long text. */
const EXCERPT = 40;

/** Returns the first difference of two values that are not equal. */
export function firstDifference(actual: unknown, expected: unknown, path = ''): Difference {
  if (Array.isArray(actual) && Array.isArray(expected)) return inArrays(actual, expected, path);
  if (isLong(actual) && isLong(expected)) return inTexts(actual, expected, path);
  if (!isPlain(actual) || !isPlain(expected)) return { path, actual, expected };
  for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    if (isDeepStrictEqual(actual[key], expected[key]) && key in actual === key in expected) continue;
    return firstDifference(actual[key], expected[key], `${path}.${key}`);
  }
  return { path, actual, expected };
}

function inArrays(actual: readonly unknown[], expected: readonly unknown[], path: string): Difference {
  const index = expected.findIndex((item, place) => !isDeepStrictEqual(actual[place], item));
  if (index >= 0 && index < actual.length) return firstDifference(actual[index], expected[index], `${path}[${index}]`);
  return { path: `${path}.length`, actual: actual.length, expected: expected.length };
}

/** The first difference of two long texts, with some following characters. */
function inTexts(actual: string, expected: string, path: string): Difference {
  let at = 0;
  while (at < actual.length && actual[at] === expected[at]) at += 1;
  const rest = (text: string): string => text.slice(at, at + EXCERPT);
  return { path: `${path}[${at}]`, actual: rest(actual), expected: rest(expected) };
}

function isLong(value: unknown): value is string {
  return typeof value === 'string' && value.length > EXCERPT;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
