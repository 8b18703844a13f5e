/** JSON with the digits of its numbers: a number that a double would change stays as it was written. */

import type { Codec } from '@busbar/api';
import { invalid, quote } from '@busbar/api/transport';

/** A number as it was written. `JSON.stringify` prints it unchanged. */
interface RawNumber {
  readonly rawJSON: string;
}

/** What Node 22 has and the types do not. */
interface SourceAccess {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
}

const json = JSON as unknown as SourceAccess;
/** Fractions, exponents, long numbers and -0 may print differently after a parse. */
const MAY_CHANGE = /\d[.eE]|\d{16}|-0/;
const TOO_LARGE = 'A JSON number may be up to 1.7e308. Send it as text, in quotes.';

/** Deeper values end the stack of `JSON.stringify`. */
const MAX_DEPTH = 1_000;

/** Parses JSON for printing. Throws a SyntaxError. */
export function parseExact(text: string): unknown {
  if (isDeep(text)) throw new SyntaxError(`nested deeper than ${MAX_DEPTH} levels`);
  if (!MAY_CHANGE.test(text)) return JSON.parse(text) as unknown;
  return json.parse(text, (_, value, { source }) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? json.rawJSON(source) : value,
  );
}

/** Parses JSON for sending. Throws a SyntaxError, or INVALID_ARGUMENT for a number that no receiver can read. */
export function parseBody(text: string): unknown {
  if (isDeep(text)) throw invalid(`the body is nested deeper than ${MAX_DEPTH} levels`, 'Send it as text with --text.');
  const value = parseExact(text);
  if (MAY_CHANGE.test(text)) checkNumbers(value);
  return value;
}

/** Throws INVALID_ARGUMENT for numbers beyond the range of doubles. */
function checkNumbers(root: unknown): void {
  const left: [value: unknown, path: string][] = [[root, '']];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [value, path] = next;
    if (typeof value !== 'object' || value === null) continue;
    if (!json.isRawJSON(value)) {
      for (const [key, member] of Object.entries(value)) left.push([member, `${path}.${key}`]);
    } else if (!Number.isFinite(Number(value.rawJSON))) {
      const where = path === '' ? '' : ` at ${quote(path.slice(1))}`;
      throw invalid(`the number ${quote(value.rawJSON)}${where} is too large`, TOO_LARGE);
    }
  }
}

function isDeep(text: string): boolean {
  if (text.length <= 2 * MAX_DEPTH) return false;
  let depth = 0;
  let isText = false;
  for (let index = 0; index < text.length && depth <= MAX_DEPTH; index += 1) {
    const character = text[index];
    if (character === '"') isText = !isText;
    else if (isText) index += character === '\\' ? 1 : 0;
    else if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
  }
  return depth > MAX_DEPTH;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** The codec of the command's bus: bodies come from {@link parseBody}, and are printed. */
export const exactCodec: Codec = {
  contentType: 'application/json',
  encode: (value) => encoder.encode(value === undefined ? '' : JSON.stringify(value)),
  decode: (bytes) => (bytes.byteLength === 0 ? undefined : parseExact(decoder.decode(bytes))),
};
