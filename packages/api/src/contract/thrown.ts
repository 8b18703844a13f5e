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
/** The most errors of an AggregateError, and the most causes behind each other. */
const MAX_PARTS = 5;
/** How deep a thrown value is searched for promises: an error, its cause, a list in it, and its items. */
const PROMISE_DEPTH = 4;

/** What can be read of `thrown`; each text has at most 2,000 characters of well-formed Unicode. */
export function readThrown(thrown: unknown): ThrownText {
  const isError = isA(thrown, Error);
  const name = read(thrown, 'name');
  const hint = read(thrown, 'hint');
  return {
    name: isError && typeof name === 'string' && name !== '' ? cutText(name) : 'Error',
    message: cutText(messageOf(thrown)),
    code: codeOf(thrown),
    hint: typeof hint === 'string' ? cutText(hint) : undefined,
    isError,
  };
}

/** The code and the message of `thrown`, or the value itself as text. The code of an error of Busbar is left out. */
export function textOf(thrown: unknown): string {
  const message = messageOf(thrown);
  return isOwn(thrown) ? cutText(message) : withCode(codeOf(thrown), message);
}

/** `thrown` in one line: its name, unless its code says more, its code and its message. */
export function sayThrown(thrown: unknown): string {
  const { name, message, code, isError } = readThrown(thrown);
  const text = withCode(code, message);
  if (!isError || name === text || (name === 'Error' && text !== message)) return text;
  return text === '' ? name : cutText(`${name}: ${text}`);
}

/** A message with its code, unless it contains it. */
export function withCode(code: string | undefined, message: string): string {
  if (code === undefined || message.includes(code)) return cutText(message);
  return message === '' ? code : cutText(`${code}: ${message}`);
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

/** A code is a text or a number. The number of a DOMException says less than its name. */
function codeOf(thrown: unknown): string | undefined {
  const code = read(thrown, 'code');
  if (typeof code === 'string' && code !== '') return cutText(code);
  return Number.isFinite(code) && !isA(thrown, DOMException) ? String(code) : undefined;
}

function isOwn(thrown: unknown): boolean {
  return [ERROR_BRAND, REJECT_BRAND, RETRY_BRAND].some((brand) => hasBrand(thrown, brand));
}

function messageOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  if ((typeof thrown !== 'object' && typeof thrown !== 'function') || thrown === null) return String(thrown);
  silenceAll(thrown, PROMISE_DEPTH);
  if (isA(thrown, Promise)) return 'a promise was thrown';
  const message = toText(read(thrown, 'message'));
  const parts = partsOf(read(thrown, 'errors'));
  const cause = isOwn(thrown) ? undefined : causesOf(thrown, message ?? '');
  const text = [message, parts, cause].filter(Boolean).join(': ');
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

/** The causes of an error, without those that a text before them contains. A fetch says why it failed only there. */
function causesOf(thrown: unknown, message: string): string {
  const texts: string[] = [];
  let cause = read(thrown, 'cause') ?? undefined;
  for (let depth = 0; depth < MAX_PARTS && cause !== undefined; depth += 1) {
    const text = ownMessage(cause);
    if (![message, ...texts].some((before) => before.includes(text))) texts.push(text);
    cause = isOwn(cause) ? undefined : (read(cause, 'cause') ?? undefined);
  }
  return texts.join(': ');
}

/** The code and the message of a part or a cause, or the value itself as text. */
function ownMessage(error: unknown): string {
  const text = toText(read(error, 'message'));
  const code = codeOf(error);
  return text === undefined && code === undefined ? (toText(error) ?? UNREADABLE) : withCode(code, text ?? '');
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
