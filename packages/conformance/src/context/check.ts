/** Counted assertions of a case. */

import { isDeepStrictEqual } from 'node:util';
import { type ErrorCode, isBusbarError } from '@busbar/api';
import { firstDifference } from './difference.ts';

/** Maximum length of a text shown in full. */
const SHORT = 160;

/** A failed assertion. */
export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}

/** Counts assertions and throws {@link CheckFailed}. */
export class Check {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Asserts that `condition` is truthy. */
  ok(condition: unknown, what: string): void {
    this.#count += 1;
    if (!condition) throw new CheckFailed(what);
  }

  /** Asserts that `holds` is true for each of `items`. */
  every<Item>(items: readonly Item[], holds: (item: Item, index: number) => boolean, what: string): void {
    this.ok(items.every(holds), what);
  }

  /** Asserts deep strict equality. */
  equal<T>(actual: T, expected: T, what: string): void {
    this.#count += 1;
    if (!isDeepStrictEqual(actual, expected)) {
      throw new CheckFailed(`${what}: ${describe(actual, expected)}`);
    }
  }

  /** Asserts deep strict equality of what `project` returns for each of `items`. */
  mapped<Item, T>(items: readonly Item[], project: (item: Item) => T, expected: readonly T[], what: string): void {
    this.equal<readonly T[]>(items.map(project), expected, what);
  }

  /** Asserts `min <= actual <= max`. */
  between(actual: number, min: number, max: number, what: string): void {
    this.#count += 1;
    if (!(actual >= min && actual <= max)) {
      throw new CheckFailed(`${what}: expected ${min} to ${max}, got ${actual}`);
    }
  }

  /** Asserts a rejection with a BusbarError of this code (or one of these) and returns it. */
  async rejects(
    work: Promise<unknown> | (() => unknown),
    code: ErrorCode | readonly ErrorCode[],
    what: string,
  ): Promise<import('@busbar/api').BusbarError> {
    this.#count += 1;
    const codes = typeof code === 'string' ? [code] : code;
    try {
      await (typeof work === 'function' ? work() : work);
    } catch (error) {
      if (isBusbarError(error) && codes.includes(error.code)) return error;
      throw new CheckFailed(`${what}: expected ${codes.join(' or ')}, got ${show(error)}`);
    }
    throw new CheckFailed(`${what}: expected ${codes.join(' or ')}, but it succeeded`);
  }

  /** Fails. */
  fail(what: string): never {
    this.#count += 1;
    throw new CheckFailed(what);
  }
}

/** Shows both values if they are short, else their first difference. */
function describe(actual: unknown, expected: unknown): string {
  const inFull = `expected ${show(expected)}, got ${show(actual)}`;
  if (inFull.length < SHORT) return inFull;
  const first = firstDifference(actual, expected);
  return `expected ${show(first.expected)}, got ${show(first.actual)}${first.path === '' ? '' : ` at ${first.path}`}`;
}

function show(value: unknown): string {
  if (isBusbarError(value)) return `${value.code} (${value.message})`;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  const text = JSON.stringify(value, (_key, part: unknown) => shorten(part)) ?? String(value);
  return text.length > 300 ? `${text.slice(0, 297)}...` : text;
}

function shorten(part: unknown): unknown {
  if (typeof part === 'bigint') return `${part}n`;
  return typeof part === 'string' && part.length > SHORT ? `${part.slice(0, 60)}... (${part.length} characters)` : part;
}
