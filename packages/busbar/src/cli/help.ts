/** Help texts, made from the data of the verbs. Examples come first. */

import { COMMAND_VARIABLES, VARIABLES } from '../config/locate-bus.ts';
import { describeSchemes } from '../schemes.ts';
import type { Command, VerbGroups } from './command.ts';
import type { FlagSpec, FlagTable } from './input/flag-values.ts';
import { GLOBAL_FLAGS } from './input/global-flags.ts';
import { EXIT_CODES } from './output/exit-codes.ts';
import type { Output } from './output/output.ts';

/** Longer left columns do not widen the layout. */
const MAX_LEFT = 36;
/** The least columns for the right side. */
const MIN_RIGHT = 20;
const MAX_WIDTH = 80;
const MIN_WIDTH = 40;

type Rows = readonly (readonly [left: string, right: string])[];

/** The help of the whole command. */
export function overview(verbs: VerbGroups, out: Output): string[] {
  const { heading, columns, wrap } = layoutOf(out);
  return [
    ...wrap('busbar: one message bus for agents and processes, over any backend'),
    '',
    ...columns([
      ['busbar register @reviewer', 'creates its mailbox'],
      ['busbar send @reviewer "look at a.ts"', 'prints the id of the message'],
      ['busbar recv @reviewer --wait --json', 'prints the message with its receipt'],
      ['busbar ack RECEIPT', 'removes it once it is handled'],
    ]),
    ...Object.entries(verbs).flatMap(([title, group]) => [
      '',
      heading(title),
      ...columns(Object.entries(group).map(([name, { summary }]) => [name, summary])),
    ]),
    '',
    heading('Global flags'),
    ...columns(flagRows(GLOBAL_FLAGS)),
    '',
    ...wrap(`More: busbar VERB --help, and busbar help ${Object.keys(TOPICS).join(', ')}.`),
  ];
}

/** The help of one verb. */
export function verbHelp(name: string, summary: string, command: Command, out: Output): string[] {
  const { heading, columns, wrap } = layoutOf(out);
  const { flags, examples, notes = [] } = command;
  const lines = [...wrap(`busbar ${name}: ${summary}`), '', ...columns(examples)];
  lines.push('', ...wrap(`${heading('Usage')}  ${usageOf(name, command)}`));
  if (Object.keys(flags).length > 0) lines.push('', heading('Flags'), ...columns(flagRows(flags)));
  for (const note of notes) lines.push('', ...wrap(note));
  const others = Object.keys(GLOBAL_FLAGS).filter((flag) => !Object.hasOwn(flags, flag));
  lines.push('', ...wrap(`Global flags: ${others.map((flag) => `--${flag}`).join(' ')} (see busbar help).`));
  return lines;
}

/** How a verb is written. */
export function usageOf(name: string, command: Command): string {
  const flags = Object.keys(command.flags).length > 0 ? ' [flags]' : '';
  const args = command.args.map((arg) => ` ${toUsage(arg, command.actions)}`).join('');
  return `busbar ${name}${args}${flags}${runsText(command)}`;
}

/** `busbar help exit-codes` and the other topics. */
export const TOPICS: Readonly<Record<string, (out: Output) => string[]>> = {
  buses: (out) => [
    'A bus is a short name, a URL, or a name in busbar.config.json:',
    '',
    ...layoutOf(out).columns([
      ...describeSchemes(),
      ['sqlite:./bus.db?durability=power', 'a SQLite file, synced before each acknowledgement'],
      ['redis://host:6379/2?ns=team-a', 'a namespace: a bus of its own on the same server'],
    ]),
    '',
    'busbar.config.json, in this folder or above, gives buses names:',
    '',
    '  { "bus": "team", "buses": { "team": "sqlite:./team.db" } }',
  ],
  'exit-codes': (out) => ['Exit codes, the same with and without --json:', '', ...layoutOf(out).columns(EXIT_CODES)],
  environment: (out) => [
    ...layoutOf(out).wrap(
      'A flag overrides a variable, and a variable overrides busbar.config.json. Without them the bus is a SQLite file in the .busbar folder of the project.',
    ),
    '',
    ...layoutOf(out).columns([
      ...Object.entries(VARIABLES),
      ['NO_COLOR', 'no colours'],
      ['FORCE_COLOR', 'colours without a terminal too'],
    ]),
    '',
    'Busbar sets these for the commands that it runs:',
    '',
    ...layoutOf(out).columns(Object.entries(COMMAND_VARIABLES)),
  ],
};

/** The flags with their descriptions. */
export function flagRows(flags: FlagTable): Rows {
  return Object.entries(flags).map(([name, spec]) => [`${letterOf(spec)}--${name}${placeholder(spec)}`, spec.help]);
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

function runsText({ runs }: Command): string {
  if (runs === undefined) return '';
  if (runs === 'WORD?') return ' [-- WORD...]';
  return runs === 'CMD' ? ' -- CMD [ARG...]' : ' [-- CMD [ARG...]]';
}

function toUsage(name: string, actions: readonly string[] = []): string {
  if (name === 'ACTION' && actions.length > 0) return actions.join('|');
  if (name === 'ACTION?') return `[${actions.join('|')}]`;
  if (name.endsWith('?')) return `[${name.slice(0, -1)}]`;
  return name.endsWith('...') ? `[${name}]` : name;
}

interface Layout {
  heading(text: string): string;
  /** A paragraph in lines. */
  wrap(text: string): string[];
  /** Two columns; beside a long left column the right one goes below. */
  columns(rows: Rows): string[];
}

/** The layout for a terminal, at most 80 columns wide. */
function layoutOf(out: Output): Layout {
  const width = Math.max(MIN_WIDTH, Math.min(out.width, MAX_WIDTH));
  return {
    heading: (text) => out.paint('bold', text),
    wrap: (text) => wrapTo(text, width),
    columns: (rows) => {
      const lefts = rows.map(([left]) => left.length).filter((length) => length <= MAX_LEFT);
      const indent = Math.min(Math.max(0, ...lefts) + 4, width - MIN_RIGHT);
      return rows.flatMap(([left, right]) => {
        const [first = '', ...more] = wrapTo(right, width - indent);
        const below = more.map((line) => `${' '.repeat(indent)}${line}`);
        if (left.length + 4 <= indent) return [`  ${left.padEnd(indent - 2)}${first}`, ...below];
        return [`  ${left}`, `${' '.repeat(indent)}${first}`, ...below];
      });
    },
  };
}

function wrapTo(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
