/** What the benchmarks are asked to do. */

import { parseArgs } from 'node:util';
import { SCENARIOS, type ScenarioName } from './scenarios.ts';
import { SUBJECTS, type SubjectName } from './subjects.ts';

/** The command line, checked. */
export interface BenchOptions {
  readonly subjects: readonly SubjectName[];
  readonly scenarios: readonly ScenarioName[];
  readonly durabilities: readonly Durability[];
  /** Messages in a run of the queue scenario. */
  readonly messages: number;
  readonly inFlight: number;
  readonly bodyBytes: number;
  /** How often each is measured; the median is shown. */
  readonly runs: number;
  readonly json: string | undefined;
  /** Whether the tables go into docs/benchmarks.md. */
  readonly writeDocs: boolean;
}

export type Durability = 'process' | 'power';

/** A command line that will not do: told without a stack, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE: string = `npm run bench -- [--transports LIST] [--scenarios LIST] [options]

Measures side by side in one run, producers and consumers in processes of their own.

  --transports LIST   of ${Object.keys(SUBJECTS).join(', ')} (default: all)
  --scenarios LIST    of ${Object.keys(SCENARIOS).join(', ')} (default: all)
  --durability LIST   of process, power (default: process)
  --messages N        in a run of the queue scenario (default 20000)
  --in-flight N       calls that are not awaited yet (default 64)
  --body BYTES        of each JSON body (default 256)
  --runs N            of each; the median is shown, with the least and the most (default 3)
  --json FILE         writes the figures with machine and versions
  --write-docs        puts the tables into docs/benchmarks.md`;

/** Reads the command line; 'help' when that is asked for. Throws {@link UsageError}. */
export function parseOptions(argv: readonly string[]): BenchOptions | 'help' {
  const values = parse(argv);
  if (values.help === true) return 'help';
  return {
    subjects: list(values.transports, 'transports', Object.keys(SUBJECTS)) as SubjectName[],
    scenarios: list(values.scenarios, 'scenarios', Object.keys(SCENARIOS)) as ScenarioName[],
    durabilities: list(values.durability ?? 'process', 'durability', ['process', 'power']) as Durability[],
    messages: integer(values.messages, 'messages', 20_000, 100, 10_000_000),
    inFlight: integer(values['in-flight'], 'in-flight', 64, 1, 1000),
    bodyBytes: integer(values.body, 'body', 256, 64, 524_288),
    runs: integer(values.runs, 'runs', 3, 1, 100),
    json: values.json,
    writeDocs: values['write-docs'] ?? false,
  };
}

function parse(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: {
        transports: text,
        scenarios: text,
        durability: text,
        messages: text,
        'in-flight': text,
        body: text,
        runs: text,
        json: text,
        'write-docs': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0] ?? 'bad arguments');
  }
}

function list(text: string | undefined, name: string, valid: readonly string[]): string[] {
  if (text === undefined) return [...valid];
  const chosen = text.split(',').map((item) => item.trim());
  for (const item of chosen) {
    if (!valid.includes(item))
      throw new UsageError(`--${name} has no ${JSON.stringify(item)}; use ${valid.join(', ')}`);
  }
  return chosen;
}

function integer(text: string | undefined, name: string, or: number, min: number, max: number): number {
  if (text === undefined) return or;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} ${JSON.stringify(text.slice(0, 40))} is no whole number from ${min} to ${max}`);
}
