/** The command line of the benchmarks. */

import { parseArgs } from 'node:util';
import { DURABILITIES, type Durability } from './durability.ts';
import type { RunSize } from './scenarios/scenario.ts';
import { LONG_SCENARIOS, SCENARIO_NAMES, type ScenarioName } from './scenarios/scenario-name.ts';

/** The command line, checked. */
export interface BenchOptions extends RunSize {
  readonly targets: readonly string[];
  readonly scenarios: readonly ScenarioName[];
  readonly durabilities: readonly Durability[];
  /** How often each figure is measured; the median is shown. */
  readonly runs: number;
  /** No measurement begins that would end after this time. */
  readonly minutes: number;
  readonly json: string | undefined;
  /** The folder for CPU profiles of all our processes. */
  readonly profile: string | undefined;
  /** The JSON of earlier runs to show, instead of measuring. */
  readonly from: readonly string[] | undefined;
  /** Writes docs/benchmarks.md with its pictures, and the JSON into bench/results. */
  readonly writeDocs: boolean;
}

/** A bad command line: printed without a stack, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const DEFAULTS = {
  durability: 'process,none',
  messages: '8000',
  'in-flight': '1,8,64',
  body: '256',
  members: '0,50,500,2000',
  mailboxes: '1000,10000',
  backlog: '100000',
  seconds: '180',
  runs: '3',
  minutes: '180',
};
const QUICK = {
  ...{ ...DEFAULTS, durability: 'process', messages: '2000', 'in-flight': '64', runs: '1', minutes: '6' },
  ...{ members: '0,50', mailboxes: '100', backlog: '10000', seconds: '6' },
};

/** The run behind docs/benchmarks.md: the most important scenarios first, since its time is limited. */
const PAGE = {
  ...{ ...DEFAULTS, durability: 'process,none,power', messages: '4000', 'in-flight': '1,64', runs: '5', minutes: '55' },
  ...{ members: '0,50,500', mailboxes: '100,1000' },
  scenarios:
    'queue,request,rate,parallel,fanout,failing,stream,lock,startup,micro,members,mailboxes,memory,replay,payload,wake,writers',
};
const PAGE_LEAVES_OUT = /-(many|audit|hybrid|copy)$|^(sqlite|unix)-ephemeral$|^(zmq|ws|raw|bare-socket)/;
const QUICK_LEAVES_OUT = /-(many|audit|hybrid|copy|lean|ephemeral|32|128)$/;

/** The text of `--help`; `targets` are all names of targets. */
export function usage(targets: readonly string[]): string {
  return `npm run bench -- [--transports LIST] [--scenarios LIST] [options]

Measures targets by turns in one run. Producers and consumers are separate processes; servers are started for the run.
A run that loses, doubles or reorders a message is void. Exit code 1: a target of Busbar failed; a peer that fails is a row.

  --transports LIST   of ${targets.join(', ')} (default: all)
  --scenarios LIST    of ${SCENARIO_NAMES.join(', ')}
                      (default: all except ${LONG_SCENARIOS.join(', ')}, which take minutes)
  --durability LIST   of ${DURABILITIES.join(', ')}: what acknowledged messages survive (default ${DEFAULTS.durability})
  --messages N        in a run (default ${DEFAULTS.messages})
  --in-flight LIST    numbers of calls in flight (default ${DEFAULTS['in-flight']})
  --body BYTES        of each JSON body (default ${DEFAULTS.body})
  --members LIST      numbers of idle members, rising (default ${DEFAULTS.members})
  --mailboxes LIST    numbers of mailboxes with waiting agents, rising (default ${DEFAULTS.mailboxes})
  --backlog N         messages of the scenarios memory and replay; parallel drains a tenth (default ${DEFAULTS.backlog})
  --seconds N         of the scenario sustained (default ${DEFAULTS.seconds})
  --runs N            of each figure; the median is shown, with the smallest and largest value (default ${DEFAULTS.runs}).
                      Half as many at each durability after the first, fewer where a scenario takes long; but all of
                      them for the targets that a bar of docs/benchmarks.md rests on
  --minutes N         begins nothing that would end later; the report lists what is left out (default ${DEFAULTS.minutes})
  --quick             other defaults: one run of ${QUICK.messages} messages, ${QUICK['in-flight']} in flight,
                      ${QUICK.members} members, ${QUICK.mailboxes} mailboxes, a backlog of ${QUICK.backlog}, ${QUICK.seconds} seconds,
                      durability ${QUICK.durability}, ${QUICK.minutes} minutes, shorter pauses and steps,
                      and only the main targets of each backend
  --page              other defaults: the run behind docs/benchmarks.md, ${PAGE.runs} runs of ${PAGE.messages} messages, ${PAGE['in-flight']} in flight,
                      ${PAGE.members} members, ${PAGE.mailboxes} mailboxes, durability ${PAGE.durability}, ${PAGE.minutes} minutes
  --json FILE         writes the figures, the account of each run, machine, versions and settings: bench/results/README.md
  --profile FOLDER    makes every Node process write a CPU profile there
  --write-docs        writes docs/benchmarks.md with its tables and pictures, and bench/results/<date>.json
  --from LIST         shows the JSON files of earlier runs as one, and with --write-docs writes the documents from them;
                      measurements of later files replace those of earlier ones`;
}

/** Reads the command line; 'help' for `--help`. Throws {@link UsageError}. */
export function parseOptions(argv: readonly string[], targets: readonly string[]): BenchOptions | 'help' {
  const given = parse(argv);
  if (given.help === true) return 'help';
  const values: typeof given & typeof DEFAULTS = { ...presetOf(given), ...given };
  return {
    targets: targetsOf(given, targets),
    scenarios: (values.scenarios === undefined
      ? SCENARIO_NAMES.filter((name) => !LONG_SCENARIOS.includes(name))
      : list(values.scenarios, 'scenarios', SCENARIO_NAMES)) as ScenarioName[],
    durabilities: list(values.durability, 'durability', DURABILITIES) as Durability[],
    messages: integer(values.messages, 'messages', 100, 10_000_000),
    inFlight: integers(values['in-flight'], 'in-flight', 1, 1000),
    bodyBytes: integer(values.body, 'body', 64, 524_288),
    members: integers(values.members, 'members', 0, 10_000),
    mailboxes: integers(values.mailboxes, 'mailboxes', 10, 100_000),
    backlog: integer(values.backlog, 'backlog', 100, 10_000_000),
    short: given.quick === true,
    seconds: integer(values.seconds, 'seconds', 1, 3_600),
    runs: integer(values.runs, 'runs', 1, 100),
    minutes: integer(values.minutes, 'minutes', 1, 10_000),
    json: values.json,
    profile: values.profile,
    from: values.from?.split(','),
    writeDocs: given['write-docs'] === true,
  };
}

type Given = ReturnType<typeof parse>;

function presetOf({ quick, page }: Given): typeof DEFAULTS {
  if (quick === true && page === true) throw new UsageError('--quick and --page exclude each other');
  if (page === true) return PAGE;
  return quick === true ? QUICK : DEFAULTS;
}

/** Those of the command line, or all that the preset measures. */
function targetsOf({ transports, quick, page }: Given, targets: readonly string[]): string[] {
  if (transports !== undefined) return list(transports, 'transports', targets);
  if (page === true) return targets.filter((name) => !PAGE_LEAVES_OUT.test(name));
  return quick === true ? targets.filter((name) => !QUICK_LEAVES_OUT.test(name)) : [...targets];
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
        members: text,
        mailboxes: text,
        backlog: text,
        seconds: text,
        runs: text,
        minutes: text,
        json: text,
        profile: text,
        quick: { type: 'boolean' },
        page: { type: 'boolean' },
        from: text,
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
      throw new UsageError(`--${name} has an unknown name ${JSON.stringify(item)}; use ${valid.join(', ')}`);
  }
  return chosen;
}

function integers(text: string, name: string, min: number, max: number): number[] {
  return text.split(',').map((item) => integer(item, name, min, max));
}

/** Reads a whole number from `min` to `max`. Throws {@link UsageError}. */
export function integer(text: string, name: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} ${JSON.stringify(text.slice(0, 40))} is not a whole number from ${min} to ${max}`);
}
