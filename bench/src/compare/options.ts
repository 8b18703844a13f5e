/** The command line of `bench:compare`. */

import { parseArgs } from 'node:util';
import { integer, UsageError } from '../options.ts';

/** The command line, checked. The trees' own benchmarks check names of transports and scenarios. */
export interface CompareOptions {
  readonly commit: string;
  readonly transports: string;
  readonly scenarios: string;
  readonly rounds: number;
  readonly quick: boolean;
  readonly json: string | undefined;
}

const MIN_ROUNDS = 5;
const TRANSPORTS = ['sqlite', 'redis', 'nats', 'unix'].flatMap((name) => [name, `${name}-bus`]).join(',');
const SCENARIOS = 'queue,request,fanout,wake';

export const USAGE: string = `npm run bench:compare -- COMMIT [options]

Runs the benchmarks of this tree and those of COMMIT by turns (A B B A …) on this machine, and compares the medians.
A figure is outside when its ratio lies outside the ratios that two runs of COMMIT have to each other.
Exit code 0: no figure is worse or missing. 1: at least one is. 2: bad command line.

  --transports LIST   as for npm run bench (default ${TRANSPORTS})
  --scenarios LIST    as for npm run bench (default ${SCENARIOS})
  --rounds N          runs of each tree, at least ${MIN_ROUNDS} (default ${MIN_ROUNDS})
  --quick             fewer messages, 64 in flight only, durability "process" only
  --json FILE         writes the comparison with the values of every run`;

/** Reads the command line; 'help' when it asks for that. Throws {@link UsageError}. */
export function parseCompareOptions(argv: readonly string[]): CompareOptions | 'help' {
  const { values, positionals } = parse(argv);
  if (values.help === true) return 'help';
  const [commit, ...rest] = positionals;
  if (commit === undefined || rest.length > 0) throw new UsageError('name one COMMIT to compare with');
  return {
    commit,
    transports: values.transports ?? TRANSPORTS,
    scenarios: values.scenarios ?? SCENARIOS,
    rounds: integer(values.rounds ?? String(MIN_ROUNDS), 'rounds', MIN_ROUNDS, 100),
    quick: values.quick ?? false,
    json: values.json,
  };
}

function parse(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = { transports: text, scenarios: text, rounds: text, json: text, quick: flag };
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { ...options, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0] ?? 'bad arguments');
  }
}
