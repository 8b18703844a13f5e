/** Prints chosen fields of JSON objects, so that a shell needs no parser. */

import { invalid, quote } from '@busbar/api/transport';
import type { Output } from './output.ts';
import { printableBlock, printableLine, toJsonLine } from './printable.ts';

/** Flags of verbs that print messages. */
export const FIELD_FLAGS = {
  field: { kind: 'list', value: 'PATH', help: 'print only this field, such as body.file; may be repeated' },
  format: { kind: 'text', value: 'TEXT', help: "print TEXT with its fields: '{{id}} {{body.file}}'" },
} as const;

/** The values of these flags. */
export interface FieldChoice {
  readonly field: readonly string[];
  readonly format: string | undefined;
  readonly json: boolean;
}

const PLACE = /\{\{\s*\.?([^{}\s]+)\s*\}\}/g;

/** A printer of lines for the flags; undefined without any of them. Throws INVALID_ARGUMENT. */
export function fieldPrinter({
  field,
  format,
  json,
}: FieldChoice): ((object: object, out: Output) => string) | undefined {
  const isGiven = [field.length > 0, format !== undefined, json].filter(Boolean).length;
  if (isGiven > 1) throw invalid('--field, --format and --json exclude each other', 'Use one of them.');
  if (field.length > 0) return (object, out) => join(field.map((path) => show(object, path, field.length > 1, out)));
  if (format === undefined) return undefined;
  if (format.search(PLACE) === -1)
    throw invalid(`--format has no field: ${quote(format)}`, "Write fields in braces: '{{id}} {{body.file}}'.");
  return (object, out) => format.replaceAll(PLACE, (_, path: string) => show(object, path, true, out));
}

function join(values: readonly string[]): string {
  return values.join('\t');
}

/** Unchanged alone and in a pipe; in one line beside others. A terminal must not obey it. */
function show(object: object, path: string, inLine: boolean, out: Output): string {
  const value = read(object, path);
  if (value === undefined || value === null) return '';
  const text = typeof value === 'string' ? value : toJsonLine(value);
  if (inLine) return printableLine(text);
  return out.isTerminal ? printableBlock(text) : text;
}

/** The field of nested objects and arrays. */
function read(object: object, path: string): unknown {
  let value: unknown = object;
  for (const name of path.replace(/^\./, '').split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
