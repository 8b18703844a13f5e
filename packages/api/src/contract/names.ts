/** The grammar of names (rule RA4): queues, topics, patterns, entry keys, and the one topic matcher. */

import { type BusbarError, invalid } from './errors.ts';

const TOKEN = /^[A-Za-z0-9_\-@/:+~]{1,64}$/;
const MAX_NAME = 255;
const MAX_TOKENS = 16;
const MAX_KEY_BYTES = 512;
/** A cache of legal names: checking a name takes 0.5 µs, and a request has two. */
const legal = new Set<unknown>();
const MAX_LEGAL = 256;
const GRAMMAR =
  'Use 1 to 16 dot-separated tokens of 1 to 64 characters A-Z a-z 0-9 _ - @ / : + ~, at most 255 characters in all.';

/** Throws INVALID_ARGUMENT unless `name` is a legal name of a queue. The prefix `$` is for Busbar itself. */
export function checkQueueName(name: unknown): asserts name is string {
  checkName(name, 'queue name', false);
}

/** Throws INVALID_ARGUMENT unless `topic` is a legal topic, without wildcards. */
export function checkTopic(topic: unknown): asserts topic is string {
  checkName(topic, 'topic', false);
}

/** Throws INVALID_ARGUMENT unless `pattern` is a legal pattern: `*` may be a token and `>` the last one. */
export function checkPattern(pattern: unknown): asserts pattern is string {
  checkName(pattern, 'pattern', true);
}

/** Throws INVALID_ARGUMENT unless `name` is a legal name without the prefix `$`. */
export function checkUserName(name: unknown, what: string): asserts name is string {
  checkName(name, what, false);
  if (name.startsWith('$')) throw invalid(`${what} ${quote(name)} starts with $`, 'The prefix $ is reserved.');
}

/** Throws INVALID_ARGUMENT unless `key` is 1 to 512 bytes of well-formed Unicode without NUL. */
export function checkKvKey(key: unknown): asserts key is string {
  if (typeof key !== 'string' || key === '') throw badKey(key);
  checkKeyPrefix(key);
}

/** Like {@link checkKvKey}, for a prefix, which may be empty. */
export function checkKeyPrefix(prefix: unknown): asserts prefix is string {
  if (typeof prefix !== 'string' || prefix.includes('\0') || !prefix.isWellFormed()) throw badKey(prefix);
  if (utf8Length(prefix) > MAX_KEY_BYTES) throw badKey(prefix);
}

/**
 * Whether `topic` matches `pattern` (rule RT2): `*` is one token, a final `>` is one or more. Both must be legal. A topic
 * with the prefix `$` matches only patterns with that prefix.
 */
export function matchTopic(pattern: string, topic: string): boolean {
  if (pattern === topic) return true;
  if (topic.startsWith('$') && !pattern.startsWith('$')) return false;
  const want = pattern.split('.');
  const have = topic.split('.');
  for (const [index, token] of want.entries()) {
    if (token === '>') return have.length > index;
    if (index >= have.length || (token !== '*' && token !== have[index])) return false;
  }
  return want.length === have.length;
}

/** The length of `text` in bytes of UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit >= 0xd800 && unit <= 0xdbff) {
      bytes += 2;
      index += 1;
    } else if (unit > 0x7ff) bytes += 2;
    else if (unit > 0x7f) bytes += 1;
  }
  return bytes;
}

/** Compares two texts by their UTF-8 bytes, the order of code points. `<` and `sort()` put U+FFFD after an emoji. */
export function compareUtf8(one: string, other: string): number {
  const shared = Math.min(one.length, other.length);
  for (let index = 0; index < shared; index += 1) {
    const difference = rankOfUnit(one.charCodeAt(index)) - rankOfUnit(other.charCodeAt(index));
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

/** Surrogates rank above all other units. */
function rankOfUnit(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** Whether a topic pattern can match more than one topic. */
export function hasWildcard(pattern: string): boolean {
  return /[*>]/.test(pattern);
}

/** `value` for a message to people: quoted, shortened, without control characters. */
export function quote(value: unknown): string {
  if (typeof value !== 'string') return value === null ? 'null' : typeof value;
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
}

function checkName(name: unknown, what: string, wildcards: boolean): asserts name is string {
  if (legal.has(name) && !wildcards) return;
  if (typeof name !== 'string') throw invalid(`${what} must be a string, not ${quote(name)}`, GRAMMAR);
  if (name.length > MAX_NAME) throw badName(name, what, 'is longer than 255 characters');
  const tokens = (name.startsWith('$') ? name.slice(1) : name).split('.');
  if (tokens.length > MAX_TOKENS) throw badName(name, what, 'has more than 16 tokens');
  for (const [index, token] of tokens.entries()) {
    if (TOKEN.test(token)) continue;
    const isWildcard = token === '*' || (token === '>' && index === tokens.length - 1);
    if (wildcards && isWildcard && !(index === 0 && name.startsWith('$'))) continue;
    throw badName(name, what, `has the illegal token ${quote(token)}`);
  }
  if (wildcards) return;
  if (legal.size === MAX_LEGAL) legal.clear();
  legal.add(name);
}

function badName(name: string, what: string, why: string): BusbarError {
  const hint = what === 'pattern' ? `${GRAMMAR} A token may be *, the last one >.` : GRAMMAR;
  return invalid(`${what} ${quote(name)} ${why}`, hint);
}

function badKey(key: unknown): BusbarError {
  return invalid(`illegal key ${quote(key)}`, 'Use 1 to 512 bytes of UTF-8 without NUL.');
}
