/** Text of thrown values. A program can throw anything: symbols, proxies, objects whose properties throw. Nothing here throws. */

import { silence, silenceAll } from './promises.ts';

/** What can be read of a thrown value. */
export interface ThrownText {
  readonly name: string;
  readonly message: string;
  /** Its `code`, such as ENOENT. */
  readonly code: string | undefined;
  readonly hint: string | undefined;
  /** Whether it is an Error. */
  readonly isError: boolean;
}

/** Marks a BusbarError. Copies of this package, and other realms, share it. */
export const ERROR_BRAND: symbol = Symbol.for('busbar.error');
/** Marks a RejectError. */
export const REJECT_BRAND: symbol = Symbol.for('busbar.reject');
/** Marks a RetryError. */
export const RETRY_BRAND: symbol = Symbol.for('busbar.retry');
/** The longest text of an error that is stored or sent. */
export const MAX_ERROR_TEXT = 2000;

const UNREADABLE = 'a value that cannot be read';
const MAX_PARTS = 5;
/** How deep a thrown value is searched for promises: an error, its cause, a list in it, and its items. */
const PROMISE_DEPTH = 4;

/** What can be read of `thrown`; each text has at most 2,000 characters of well-formed Unicode. */
export function readThrown(thrown: unknown): ThrownText {
  const isError = isA(thrown, Error);
  const name = read(thrown, 'name');
  const code = read(thrown, 'code');
  const hint = read(thrown, 'hint');
  return {
    name: isError && typeof name === 'string' && name !== '' ? cutText(name) : 'Error',
    message: cutText(messageOf(thrown)),
    code: typeof code === 'string' && code !== '' ? cutText(code) : undefined,
    hint: typeof hint === 'string' ? cutText(hint) : undefined,
    isError,
  };
}

/** The message of `thrown`, or the value itself as text. */
export function textOf(thrown: unknown): string {
  return cutText(messageOf(thrown));
}

/** `thrown` in one line: its name or code, and its message. */
export function sayThrown(thrown: unknown): string {
  const { name, message, code, isError } = readThrown(thrown);
  const lead = isError ? name : code;
  if (lead === undefined || lead === message) return message;
  return message === '' ? lead : cutText(`${lead}: ${message}`);
}

/** Like `instanceof`; false for a value that cannot be asked. */
export function isA<T>(value: unknown, type: abstract new (...args: never[]) => T): value is T {
  try {
    return value instanceof type;
  } catch {
    return false;
  }
}

/** Whether `value` has the mark `brand`. */
export function hasBrand(value: unknown, brand: symbol): boolean {
  return read(value, brand) === true;
}

/** The first 2,000 characters of `text` as well-formed Unicode. */
export function cutText(text: string): string {
  if (text.length <= MAX_ERROR_TEXT) return text.toWellFormed();
  return `${text.slice(0, MAX_ERROR_TEXT - 3).toWellFormed()}...`;
}

/** The property of an object; undefined for other values, and if it cannot be read. */
function read(value: unknown, key: PropertyKey): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  try {
    const found: unknown = Reflect.get(value, key);
    // A getter may have made it.
    silence(found);
    return found;
  } catch {
    return undefined;
  }
}

function messageOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  if ((typeof thrown !== 'object' && typeof thrown !== 'function') || thrown === null) return String(thrown);
  silenceAll(thrown, PROMISE_DEPTH);
  if (isA(thrown, Promise)) return 'a promise was thrown';
  const message = toText(read(thrown, 'message'));
  const parts = partsOf(read(thrown, 'errors'));
  const isOwn = [ERROR_BRAND, REJECT_BRAND, RETRY_BRAND].some((brand) => hasBrand(thrown, brand));
  const cause = isOwn ? undefined : causeOf(read(thrown, 'cause'), message ?? '');
  const text = [message, parts, cause].filter((part) => part !== undefined && part !== '').join(': ');
  if (text !== '' || isA(thrown, Error)) return text;
  return toText(thrown) ?? UNREADABLE;
}

/** The messages of an AggregateError, such as one per address that refused a connection. */
function partsOf(errors: unknown): string | undefined {
  try {
    if (!Array.isArray(errors) || errors.length === 0) return undefined;
    return errors.slice(0, MAX_PARTS).map(ownMessage).join('; ');
  } catch {
    return undefined;
  }
}

/** The message of the cause, if the message of the error does not contain it. A fetch says why it failed only there. */
function causeOf(cause: unknown, message: string): string | undefined {
  if (!isA(cause, Error)) return undefined;
  const text = ownMessage(cause);
  return message.includes(text) ? undefined : text;
}

function ownMessage(error: unknown): string {
  return toText(read(error, 'message')) ?? toText(error) ?? UNREADABLE;
}

/** A value as text; undefined without one. Objects become JSON. */
function toText(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  try {
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join('; ');
    if (typeof value !== 'object' || value === null) return String(value);
    const json = JSON.stringify(value);
    return json === undefined || json === '{}' ? Object.prototype.toString.call(value) : json;
  } catch {
    return undefined;
  }
}
