/** Help texts, made from the data of the verbs. Examples come first. */

import { readFileSync } from 'node:fs';
import { VARIABLES } from '../config/locate-bus.ts';
import { describeSchemes } from '../schemes.ts';
import type { Command } from './command.ts';
import type { FlagSpec, FlagTable } from './input/flag-values.ts';
import { GLOBAL_FLAGS } from './input/global-flags.ts';
import { EXIT_CODES } from './output/exit-codes.ts';
import type { Output } from './output/output.ts';
import { VERB_GROUPS } from './verbs.ts';

/** Longer left columns do not widen the layout. */
const MAX_LEFT = 62;
const MAX_LINE = 100;

type Rows = readonly (readonly [left: string, right: string])[];

/** The help of the whole command. */
export function overview(out: Output): string[] {
  const heading = (text: string): string => out.paint('bold', text);
  return [
    'busbar: one message bus for agents and processes, over any backend',
    '',
    ...columns([
      ['busbar register @reviewer', 'creates its mailbox'],
      [`busbar send @reviewer '{"file":"a.ts"}'`, 'prints the id of the message'],
      ['busbar recv @reviewer --wait --json', 'prints the message with its receipt'],
      ['busbar ack RECEIPT', 'removes it once it is handled'],
    ]),
    ...Object.entries(VERB_GROUPS).flatMap(([title, verbs]) => [
      '',
      heading(title),
      ...columns(Object.entries(verbs).map(([name, { summary }]) => [name, summary])),
    ]),
    '',
    heading('Global flags'),
    ...flagLines(GLOBAL_FLAGS),
    '',
    'More: busbar VERB --help, and busbar help buses, exit-codes, environment.',
  ];
}

/** The help of one verb. */
export function verbHelp(name: string, summary: string, command: Command, out: Output): string[] {
  const heading = (text: string): string => out.paint('bold', text);
  const hasFlags = Object.keys(command.flags).length > 0;
  const lines = [`busbar ${name}: ${summary}`, '', ...columns(command.examples)];
  lines.push(
    '',
    `${heading('Usage')}  busbar ${[name, ...command.args.map(toUsage)].join(' ')}${hasFlags ? ' [flags]' : ''}`,
  );
  if (hasFlags) lines.push('', heading('Flags'), ...flagLines(command.flags));
  for (const note of command.notes ?? []) lines.push('', ...wrap(note));
  lines.push(
    '',
    `Global flags: ${Object.keys(GLOBAL_FLAGS)
      .map((flag) => `--${flag}`)
      .join(' ')} (see busbar help).`,
  );
  return lines;
}

/** `busbar help exit-codes` and the other topics. */
export const TOPICS: Readonly<Record<string, () => string[]>> = {
  'exit-codes': () => ['Exit codes, the same with and without --json:', '', ...columns(EXIT_CODES)],
  buses: () => [
    'A bus is a short name, a URL, or a name in busbar.config.json:',
    '',
    ...columns(describeSchemes()),
    '',
    ...columns([
      ['sqlite:./bus.db?durability=power&ns=a', 'a SQLite file, synced before each acknowledgement, with namespace a'],
      ['{ "bus": "team", "buses": { "team": "sqlite:./team.db" } }', 'busbar.config.json, in this folder or above'],
    ]),
  ],
  environment: () => [
    'A flag overrides a variable, and a variable overrides busbar.config.json. The default is a SQLite file in the',
    "project's .busbar folder.",
    '',
    ...columns([
      ...Object.entries(VARIABLES),
      ['NO_COLOR', 'no colours'],
      ['FORCE_COLOR', 'colours without a terminal too'],
    ]),
  ],
};

/** The version of this package. */
export function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function flagLines(flags: FlagTable): string[] {
  const rows = Object.entries(flags).map(
    ([name, spec]) => [`${letterOf(spec)}--${name}${placeholder(spec)}`, spec.help] as const,
  );
  return columns(rows);
}

function letterOf({ short }: FlagSpec): string {
  return short === undefined ? '' : `-${short}, `;
}

function placeholder(spec: FlagSpec): string {
  if (spec.kind === 'switch') return '';
  if (spec.kind === 'wait') return '[=TIME]';
  if (spec.kind === 'choice') return ` ${spec.choices.join('|')}`;
  return ` ${spec.value ?? (spec.kind === 'integer' ? 'N' : spec.kind === 'duration' ? 'TIME' : 'TEXT')}`;
}

function toUsage(name: string): string {
  if (name.endsWith('?')) return `[${name.slice(0, -1)}]`;
  return name.endsWith('...') ? `[${name}]` : name;
}

/** A paragraph in lines of at most 100 characters. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > MAX_LINE) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Two columns; beside a long left column the right one goes below. */
function columns(rows: Rows): string[] {
  const lefts = rows.map(([left]) => left.length).filter((length) => length <= MAX_LEFT);
  const width = Math.max(0, ...lefts);
  return rows.flatMap(([left, right]) =>
    left.length <= MAX_LEFT ? [`  ${left.padEnd(width)}  ${right}`] : [`  ${left}`, `  ${' '.repeat(width)}  ${right}`],
  );
}
