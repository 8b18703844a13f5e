/** Parses a command line by the flag table of a verb. */

import { type BusbarError, didYouMean, invalid, quote } from '@busbar/api/transport';
import { isDuration } from './durations.ts';
import { type FlagSpec, type FlagTable, type FlagValues, takesValue, toFlagValue } from './flag-values.ts';

/** The name of a positional argument. A `?` at the end means optional, `...` means repeated. */
export type ArgumentName = string;

/** A parsed command line. */
export interface ParsedCommandLine<T extends FlagTable> {
  readonly flags: FlagValues<T>;
  readonly args: readonly string[];
}

interface Token {
  readonly kind: 'option' | 'positional' | 'option-terminator';
  readonly index: number;
  readonly name?: string;
  readonly rawName?: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

/** Parses `argv` by `table`. Throws INVALID_ARGUMENT at the first mistake. */
export function parseFlags<T extends FlagTable>(
  argv: readonly string[],
  table: T,
  names: readonly ArgumentName[],
): ParsedCommandLine<T> {
  // An import of node:util makes Node load all of its exports (2 ms).
  const { parseArgs } = process.getBuiltinModule('node:util');
  const { tokens } = parseArgs({
    args: [...argv],
    options: toNodeOptions(table),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  const args: string[] = [];
  for (const token of joinOptionalValues(tokens as readonly Token[], table)) {
    if (token.kind === 'positional') args.push(token.value ?? '');
    if (token.kind === 'option') collect(token, table, given);
  }
  checkArguments(args, names);
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(table)) values[name] = toFlagValue(`--${name}`, spec, given.get(name));
  return { flags: values as FlagValues<T>, args };
}

function toNodeOptions(table: FlagTable): Record<string, { type: 'string' | 'boolean'; short?: string }> {
  const entries = Object.entries(table).map(([name, spec]) => {
    const type = takesValue(spec) === 'always' ? ('string' as const) : ('boolean' as const);
    return [name, spec.short === undefined ? { type } : { type, short: spec.short }] as const;
  });
  return Object.fromEntries(entries);
}

/** `--wait 30s` means `--wait=30s`, since 30s is not a name. */
function* joinOptionalValues(tokens: readonly Token[], table: FlagTable): Generator<Token> {
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index];
    const next = tokens[index + 1];
    if (token === undefined) return;
    const spec = token.kind === 'option' ? ownSpec(table, token.name) : undefined;
    const open = spec !== undefined && takesValue(spec) === 'optional' && token.value === undefined;
    if (open && next?.kind === 'positional' && isDuration(next.value ?? '')) {
      index += 1;
      yield { ...token, value: next.value, inlineValue: true };
    } else yield token;
  }
}

function collect(token: Token, table: FlagTable, given: Map<string, string[]>): void {
  const { name = '', rawName = '', value, inlineValue } = token;
  const spec = ownSpec(table, name);
  if (spec === undefined) throw unknownFlag(rawName, table);
  const wants = takesValue(spec);
  if (wants === 'never' && value !== undefined)
    throw invalid(`${rawName} takes no value`, `Write ${rawName} without a value.`);
  if (wants === 'always') checkValue(rawName, spec, value, inlineValue === true);
  given.set(name, [...(given.get(name) ?? []), value ?? '']);
}

function checkValue(rawName: string, spec: FlagSpec, value: string | undefined, inline: boolean): void {
  if (value === undefined) throw invalid(`${rawName} needs a value`, `Write ${rawName} ${spec.value ?? 'VALUE'}.`);
  if (!inline && /^-./.test(value)) {
    throw invalid(
      `${rawName} needs a value, and ${quote(value)} looks like a flag`,
      `Write ${rawName}=${value} if it is the value.`,
    );
  }
}

function checkArguments(args: readonly string[], names: readonly ArgumentName[]): void {
  const required = names.filter((name) => !name.endsWith('?') && !name.endsWith('...'));
  const endless = names.some((name) => name.endsWith('...') || name.endsWith('...?'));
  const missing = required[args.length];
  if (missing !== undefined) throw invalid(`${missing} is missing`, usageHint(names));
  const extra = args[names.length];
  if (extra !== undefined && !endless) throw invalid(`unexpected argument ${quote(extra)}`, usageHint(names));
}

function usageHint(names: readonly ArgumentName[]): string {
  if (names.length === 0) return 'This verb takes flags only.';
  const list = names.map((name) => (name.endsWith('?') ? `[${name.slice(0, -1)}]` : name)).join(' ');
  return `The arguments are ${list}. Quote an argument with spaces; write -- before one that starts with -.`;
}

function unknownFlag(rawName: string, table: FlagTable): BusbarError {
  const flags = Object.keys(table).map((name) => `--${name}`);
  if (/^-\d/.test(rawName)) {
    return invalid(`unknown flag ${quote(rawName)}`, `Write -- before an argument that starts with -: -- ${rawName}.`);
  }
  const guess = didYouMean(rawName, flags);
  return invalid(`unknown flag ${quote(rawName)}`, `${guess}The flags are ${flags.join(' ')}.`);
}

function ownSpec(table: FlagTable, name: string | undefined): FlagSpec | undefined {
  return name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
}
