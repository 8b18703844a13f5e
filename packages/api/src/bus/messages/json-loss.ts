/** Finds what JSON would change or drop in a value, with its path. */

import { silence } from '../../contract/promises.ts';
import { textOf } from '../../contract/thrown.ts';

/** What JSON would change. */
export interface JsonLoss {
  /** Such as `a Map`. */
  readonly what: string;
  /** Where, such as `rows[3].tags`; empty for the value itself. */
  readonly path: string;
}

/** One walk through a value. */
interface Walk {
  readonly ancestors: unknown[];
  /** JSON keeps the value as it is: nothing was converted or left out so far. */
  isExact: boolean;
}

/** The loss of a part, while the path to it is made from its end. */
interface Found {
  readonly what: string;
  path: string;
}

const MAX_PATH = 200;

/**
 * The first part of `value` that JSON would change or drop; undefined if there is none.
 *
 * Left out without a loss: members that are undefined, keys that are symbols, properties that are not enumerable, and named
 * properties of arrays that are no match of a regular expression. -0 becomes 0. An object with `toJSON`, such as a Date, is
 * what that method returns.
 */
export function findJsonLoss(value: unknown): JsonLoss | undefined {
  const found = inspect(value, openWalk());
  return found && toLoss(found);
}

function openWalk(): Walk {
  return { ancestors: [], isExact: true };
}

function toLoss({ what, path }: Found): JsonLoss {
  return { what, path: path.length > MAX_PATH ? `${path.slice(0, MAX_PATH)}...` : path.replace(/^\./, '') };
}

/** Whether a receiver gets an equal value. False for a value with a Date, for example: it arrives as a text. */
export function isExactJson(value: unknown): boolean {
  const walk = openWalk();
  return value === undefined || (inspect(value, walk) === undefined && walk.isExact);
}

function inspect(value: unknown, walk: Walk): Found | undefined {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? undefined : loss('a lone surrogate');
    case 'number':
      return Number.isFinite(value) ? undefined : loss(String(value));
    case 'boolean':
      return undefined;
    case 'object':
      return value === null ? undefined : inspectObject(value, walk);
    case 'undefined':
      return loss('undefined');
    default:
      return inspectRest(value, walk);
  }
}

/** A function, a symbol or a BigInt. Programs give BigInt a `toJSON` to send it. */
function inspectRest(value: unknown, walk: Walk): Found | undefined {
  const { toJSON } = value as { readonly toJSON?: unknown };
  return typeof toJSON === 'function' && typeof value !== 'symbol'
    ? inspectConverted(value as object, walk)
    : loss(`a ${typeof value}`);
}

function inspectObject(value: object, walk: Walk): Found | undefined {
  const { ancestors } = walk;
  if (ancestors.includes(value)) return loss('a cycle');
  ancestors.push(value);
  try {
    const found = inspectParts(value, walk);
    if (found !== undefined) return found;
  } catch (error) {
    return loss(error instanceof RangeError ? 'too many levels' : `a value that throws (${textOf(error)})`);
  }
  ancestors.pop();
  return undefined;
}

function inspectParts(value: object, walk: Walk): Found | undefined {
  if (ArrayBuffer.isView(value)) return loss(className(value));
  if (hasToJson(value)) return inspectConverted(value, walk);
  if (Array.isArray(value)) return inspectArray(value, walk);
  return isPlain(value) ? inspectMembers(value as Record<string, unknown>, walk) : lossOfClass(value);
}

function hasToJson(value: object): boolean {
  return typeof (value as { toJSON?: unknown }).toJSON === 'function';
}

function inspectArray(items: readonly unknown[], walk: Walk): Found | undefined {
  if ('index' in items) return loss('a RegExp match');
  for (let index = 0; index < items.length; index += 1) {
    const item = items[index];
    const found = inspect(item, walk);
    if (found !== undefined) return within(found, `[${index}]`);
  }
  return undefined;
}

function inspectMembers(members: Readonly<Record<string, unknown>>, walk: Walk): Found | undefined {
  const keys = Object.keys(members);
  // The client for pages does without: it has to be small.
  if (globalThis.process !== undefined && (keys.length === 0 || keys[0] === '0' || keys[0] === 'rawJSON')) {
    const special = lossOfSpecial(members, walk);
    if (special !== undefined) return special;
  }
  for (const key of keys) {
    const member = members[key];
    if (member === undefined) {
      walk.isExact = false;
      continue;
    }
    const found = inspect(member, walk);
    if (found !== undefined)
      return within(found, /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
  }
  return undefined;
}

/** Objects like literals that JSON changes: namespaces such as Math, the arguments of a function, digits of `JSON.rawJSON`. */
function lossOfSpecial(value: object, walk: Walk): Found | undefined {
  if (isRaw(value)) {
    walk.isExact = false;
    return isRounded(value) ? loss('digits that are rounded') : undefined;
  }
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (tag === 'Arguments') return loss('the arguments of a function');
  const own = Object.getOwnPropertyDescriptor(value, Symbol.toStringTag);
  return own === undefined || own.enumerable || tag === 'Module' ? undefined : loss(`the namespace ${tag}`);
}

function isRaw(value: object): value is { readonly rawJSON: string } {
  const { isRawJSON } = JSON as { isRawJSON?: (value: unknown) => boolean };
  return isRawJSON?.(value) === true;
}

/** Whether it is a number that a receiver does not read as it is written. */
function isRounded({ rawJSON }: { readonly rawJSON: string }): boolean {
  const parsed: unknown = JSON.parse(rawJSON);
  return typeof parsed === 'number' && String(parsed) !== rawJSON;
}

/** An object with `toJSON`: JSON has what that returns. */
function inspectConverted(value: object, walk: Walk): Found | undefined {
  walk.isExact = false;
  const converted = (value as { toJSON(key: string): unknown }).toJSON('');
  if (converted === undefined) return loss('a toJSON that returns undefined');
  if (converted === null && value instanceof Date) return loss('an invalid Date');
  if (typeof converted !== 'object' || converted === null) return inspect(converted, walk);
  if (Array.isArray(converted)) return inspectArray(converted, walk);
  const isOwnData = converted === value || isPlain(converted);
  return isOwnData ? inspectMembers(converted as Record<string, unknown>, walk) : lossOfClass(converted);
}

/** Whether an object is a literal, has no prototype, or is a literal of another realm. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}

function lossOfClass(value: object): Found {
  // A getter or a toJSON may have made the promise, so nothing else finds it.
  silence(value);
  return loss(className(value));
}

function className(value: object): string {
  const name: unknown = value.constructor?.name;
  if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object with a prototype';
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`;
}

function loss(what: string): Found {
  return { what, path: '' };
}

function within(found: Found, step: string): Found {
  if (found.path.length <= MAX_PATH) found.path = `${step}${found.path}`;
  return found;
}
