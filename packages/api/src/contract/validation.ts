/** Checks of arguments. Each throws INVALID_ARGUMENT with the name of the argument and the legal values. */

import { invalid } from './errors.ts';
import { quote } from './names.ts';
import type { From } from './topics.ts';

/** The bounds of a number. */
export interface NumberRange {
  readonly min: number;
  readonly max: number;
  /** Whether Infinity is legal too. Default false. */
  readonly infinity?: boolean;
}

/** The longest duration of a platform timer: 2^31-1 ms. */
export const MAX_TIMER_MS = 2_147_483_647;
/** The longest delay or TTL: ten years. */
export const MAX_DURATION_MS = 315_360_000_000;

const GENERATORS = ['[object GeneratorFunction]', '[object AsyncGeneratorFunction]'];

/** Throws unless `options` is undefined or an object with allowed keys only. */
export function checkOptions(options: unknown, allowed: readonly string[], what: string): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(`${what} must be an object, not ${describe(options)}`, `Its keys are ${allowed.join(', ')}.`);
  }
  for (const key of Object.keys(options)) {
    if (allowed.includes(key)) continue;
    const meant = allowed.find((name) => name.startsWith(key));
    const hint = meant === undefined ? '' : `Did you mean ${meant}? `;
    throw invalid(`${what} has no ${quote(key)}`, `${hint}Its keys are ${allowed.join(', ')}.`);
  }
}

/** Throws unless `value` is undefined or a whole number in the range. */
export function checkInteger(value: unknown, name: string, range: NumberRange): void {
  if (value === undefined || (range.infinity === true && value === Number.POSITIVE_INFINITY)) return;
  if (Number.isSafeInteger(value) && (value as number) >= range.min && (value as number) <= range.max) return;
  throw badNumber(value, name, range, 'whole number');
}

/** Throws unless `value` is undefined or a finite number in the range (fractions of a millisecond are legal). */
export function checkDuration(value: unknown, name: string, range: NumberRange): void {
  if (value === undefined || (range.infinity === true && value === Number.POSITIVE_INFINITY)) return;
  if (Number.isFinite(value) && (value as number) >= range.min && (value as number) <= range.max) return;
  throw badNumber(value, name, range, 'number');
}

/** Throws unless `value` is undefined or a boolean. */
export function checkBoolean(value: unknown, name: string): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw invalid(`${name} must be true or false, not ${describe(value)}`, 'Leave it out for the default.');
}

/** Throws unless `value` is undefined or 1 to `max` characters of well-formed Unicode without control characters. */
export function checkText(value: unknown, name: string, max: number): void {
  if (value === undefined) return;
  const legal =
    typeof value === 'string' &&
    value.length >= 1 &&
    value.length <= max &&
    value.isWellFormed() &&
    !hasControlCharacter(value);
  if (legal) return;
  throw invalid(
    `${name} is illegal: ${describe(value)}`,
    `Use 1 to ${max} characters of well-formed Unicode without control characters.`,
  );
}

/** Throws unless `value` is undefined or one of `allowed`. */
export function checkOneOf(value: unknown, name: string, allowed: readonly string[]): void {
  if (value === undefined || (typeof value === 'string' && allowed.includes(value))) return;
  throw invalid(`${name} is illegal: ${describe(value)}`, `Use one of ${allowed.join(', ')}.`);
}

/** Throws unless `value` is undefined or an AbortSignal. */
export function checkSignal(value: unknown): void {
  if (value === undefined || value instanceof AbortSignal) return;
  throw invalid(`signal must be an AbortSignal, not ${describe(value)}`, 'Use the signal of an AbortController.');
}

/** Throws unless `value` is a function. */
export function checkFunction(value: unknown, name: string): void {
  if (typeof value === 'function') return;
  throw invalid(`${name} must be a function, not ${describe(value)}`, 'Pass a function.');
}

/** Throws unless `value` is a function whose result counts when it is called: a generator would only begin when it is read. */
export function checkCallback(value: unknown, name: string): void {
  checkFunction(value, name);
  if (!GENERATORS.includes(Object.prototype.toString.call(value))) return;
  throw invalid(`${name} must not be a generator function`, 'Use an async function.');
}

/** Throws unless `value` is an array of at most `max` items. */
export function checkArray(value: unknown, name: string, max: number): asserts value is readonly unknown[] {
  if (Array.isArray(value) && value.length <= max) return;
  const have = Array.isArray(value) ? `one of ${value.length}` : describe(value);
  throw invalid(`${name} must be an array of at most ${max}, not ${have}`, 'Split it into several calls.');
}

/** The legal start in a log, `new` without one. Throws for another value. */
export function checkFrom(from: unknown): From {
  if (from === undefined) return 'new';
  if (from === 'new' || from === 'start') return from;
  if (typeof from === 'object' && from !== null) {
    checkOptions(from, ['after', 'time'], 'from');
    const { after, time } = from as { readonly after?: unknown; readonly time?: unknown };
    if (typeof after === 'string' && after !== '' && after.length <= 512 && time === undefined) return { after };
    if (typeof time === 'number' && after === undefined) {
      checkDuration(time, 'from.time', { min: 0, max: MAX_DURATION_MS * 100 });
      return { time };
    }
  }
  const hint = "Use 'new', 'start', { after: position } or { time: milliseconds since 1970 }.";
  throw invalid(`illegal from: ${describe(from)}`, hint);
}

/** A short description of `value` for an error. */
export function describe(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return String(value);
  if (typeof value === 'string') return quote(value);
  return kindOf(value);
}

/** The kind of `value`, without its content: it may be a secret. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : typeof value;
}

/** Whether `text` has a control character: C0, DEL or C1. */
export function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) return true;
  }
  return false;
}

function badNumber(value: unknown, name: string, range: NumberRange, kind: string): Error {
  const infinity = range.infinity === true ? ', or Infinity' : '';
  return invalid(
    `${name} is illegal: ${describe(value)}`,
    `Use a ${kind} from ${range.min} to ${range.max}${infinity}.`,
  );
}
