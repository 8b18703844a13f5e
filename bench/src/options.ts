/** What the benchmarks are asked to do. */

import { parseArgs } from 'node:util';
import { SCENARIOS, type ScenarioName } from './scenarios/scenarios.ts';
import { SUBJECTS } from './targets/targets.ts';

/** The command line, checked. */
export interface BenchOptions {
  readonly subjects: readonly string[];
  readonly scenarios: readonly ScenarioName[];
  readonly durabilities: readonly Durability[];
  /** Messages in a run at the most in flight; others have fewer. */
  readonly messages: number;
  /** Calls that are not awaited yet, each number in turn where a scenario asks at several. */
  readonly inFlight: readonly number[];
  readonly bodyBytes: number;
  /** How often each is measured; the median is shown. */
  readonly runs: number;
  readonly json: string | undefined;
  /** Where every process of ours leaves a profile of its CPU time. */
  readonly profile: string | undefined;
  /** Whether the tables go into docs/benchmarks.md. */
  readonly writeDocs: boolean;
}

/** What acknowledged messages survive: nothing, kill -9 of every process, loss of power. */
export type Durability = 'none' | 'process' | 'power';

/** A command line that will not do: told without a stack, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const DURABILITIES: readonly Durability[] = ['none', 'process', 'power'];
const DEFAULTS = { durability: 'process,none', messages: '8000', 'in-flight': '1,8,64', body: '256', runs: '3' };
const QUICK = { ...DEFAULTS, durability: 'process', messages: '2000', 'in-flight': '64', runs: '1' };

export const USAGE: string = `npm run bench -- [--transports LIST] [--scenarios LIST] [options]

Measures side by side in one run, producers and consumers in processes of their own, servers of its own.
Everything takes about half an hour on two cores, --quick less than ten minutes.

  --transports LIST   of ${Object.keys(SUBJECTS).join(', ')} (default: all)
  --scenarios LIST    of ${Object.keys(SCENARIOS).join(', ')} (default: all)
  --durability LIST   of ${DURABILITIES.join(', ')}: what acknowledged messages survive (default ${DEFAULTS.durability})
  --messages N        in a run (default ${DEFAULTS.messages})
  --in-flight LIST    calls that are not awaited yet (default ${DEFAULTS['in-flight']})
  --body BYTES        of each JSON body (default ${DEFAULTS.body})
  --runs N            of each; the median is shown, with the least and the most (default ${DEFAULTS.runs})
  --quick             one run of ${QUICK.messages} messages, ${QUICK['in-flight']} in flight, ${QUICK.durability} only, unless told otherwise
  --json FILE         writes the figures with machine and versions
  --profile FOLDER    has every Node process leave a profile of its CPU time there
  --write-docs        puts the tables into docs/benchmarks.md`;

/** Reads the command line; 'help' when that is asked for. Throws {@link UsageError}. */
export function parseOptions(argv: readonly string[]): BenchOptions | 'help' {
  const given = parse(argv);
  if (given.help === true) return 'help';
  const values = { ...(given.quick === true ? QUICK : DEFAULTS), ...given };
  return {
    subjects: list(values.transports, 'transports', Object.keys(SUBJECTS)),
    scenarios: list(values.scenarios, 'scenarios', Object.keys(SCENARIOS)) as ScenarioName[],
    durabilities: list(values.durability, 'durability', DURABILITIES) as Durability[],
    messages: integer(values.messages, 'messages', 100, 10_000_000),
    inFlight: values['in-flight'].split(',').map((item) => integer(item, 'in-flight', 1, 1000)),
    bodyBytes: integer(values.body, 'body', 64, 524_288),
    runs: integer(values.runs, 'runs', 1, 100),
    json: values.json,
    profile: values.profile,
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
        profile: text,
        quick: { type: 'boolean' },
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

/** Reads a whole number from `min` to `max`. Throws {@link UsageError}. */
export function integer(text: string, name: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} ${JSON.stringify(text.slice(0, 40))} is no whole number from ${min} to ${max}`);
}
