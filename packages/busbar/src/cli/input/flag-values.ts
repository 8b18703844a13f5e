/** Kinds of flags, and the conversion of their text. */

import { checkOneOf, checkText, invalid, MAX_TIMER_MS, quote } from '@busbar/api/transport';
import { parseDuration } from './durations.ts';

interface Described {
  /** Description for the help. */
  readonly help: string;
  /** One letter. */
  readonly short?: string;
  /** Placeholder of the value in the help. */
  readonly value?: string;
}

/** A flag of a verb. */
export type FlagSpec =
  | (Described & { readonly kind: 'switch' })
  | (Described & { readonly kind: 'text'; readonly max?: number })
  | (Described & { readonly kind: 'list' })
  /** `name=value`, or `name: value`, any number of times. */
  | (Described & { readonly kind: 'pairs' })
  | (Described & { readonly kind: 'integer'; readonly min: number; readonly max: number })
  | (Described & { readonly kind: 'duration'; readonly min?: number; readonly max?: number })
  /** A duration that may be left out, which means without limit. */
  | (Described & { readonly kind: 'wait' })
  | (Described & {
      readonly kind: 'choice';
      readonly choices: readonly string[];
      /** Hints for values that belong to something else. */
      readonly elsewhere?: Readonly<Record<string, string>>;
    });

/** The flags of a verb by name. */
export type FlagTable = Readonly<Record<string, FlagSpec>>;

/** The value of a flag. */
export type FlagValue<S extends FlagSpec> = S['kind'] extends 'switch'
  ? boolean
  : S['kind'] extends 'list'
    ? readonly string[]
    : S['kind'] extends 'pairs'
      ? Readonly<Record<string, string>>
      : S['kind'] extends 'text' | 'choice'
        ? string | undefined
        : number | undefined;

/** The values of all flags of a table. */
export type FlagValues<T extends FlagTable> = { readonly [K in keyof T]: FlagValue<T[K]> };

const MAX_TEXT = 4_096;

/** Whether a flag takes a value. */
export function takesValue(spec: FlagSpec): 'never' | 'optional' | 'always' {
  if (spec.kind === 'switch') return 'never';
  return spec.kind === 'wait' ? 'optional' : 'always';
}

/** Converts the texts that were given for flag `name`; undefined means the flag was not used. The last text counts. */
export function toFlagValue(name: string, spec: FlagSpec, given: readonly string[] | undefined): unknown {
  const last = given?.at(-1);
  switch (spec.kind) {
    case 'switch':
      return given !== undefined;
    case 'list':
      return (given ?? []).map((text) => toText(name, text, MAX_TEXT));
    case 'pairs':
      return Object.fromEntries((given ?? []).map((text) => toPair(name, text)));
    default:
      return last === undefined ? undefined : toOne(name, spec, last);
  }
}

function toOne(name: string, spec: Exclude<FlagSpec, { kind: 'switch' | 'list' | 'pairs' }>, text: string): unknown {
  switch (spec.kind) {
    case 'text':
      return toText(name, text, spec.max ?? MAX_TEXT);
    case 'integer':
      return toInteger(name, text, spec.min, spec.max);
    case 'duration':
      return parseDuration(text, name, spec.min ?? 0, spec.max ?? MAX_TIMER_MS);
    case 'wait':
      return text === '' ? Number.POSITIVE_INFINITY : parseDuration(text, name, 0, MAX_TIMER_MS);
    case 'choice':
      checkChoice(name, text, spec);
      return text;
  }
}

function checkChoice(
  name: string,
  text: string,
  { choices, elsewhere = {} }: Extract<FlagSpec, { kind: 'choice' }>,
): void {
  if (Object.hasOwn(elsewhere, text)) throw invalid(`${name} takes no ${text}`, elsewhere[text] ?? '');
  checkOneOf(text, name, choices);
}

function toText(name: string, text: string, max: number): string {
  if (text.endsWith('\r')) {
    const hint = 'The script has the line ends of Windows (CRLF). Convert them to LF.';
    throw invalid(`${name} has a carriage return at its end`, hint);
  }
  checkText(text, name, max);
  return text;
}

function toInteger(name: string, text: string, min: number, max: number): number {
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw invalid(`${name} is illegal: ${quote(text)}`, `Use a whole number from ${min} to ${max}.`);
}

function toPair(name: string, text: string): [key: string, value: string] {
  const [, key, value] = /^([^=:\s]+)(?:=|:\s*)(.*)$/s.exec(text) ?? [];
  if (key !== undefined && value !== undefined && key !== '__proto__') return [key.toLowerCase(), value];
  throw invalid(`${name} is not a pair: ${quote(text)}`, `Write ${name} name=value.`);
}
