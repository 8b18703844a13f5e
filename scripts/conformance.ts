// Runs the conformance suite on every backend of this repository, and prints the matrix.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import {
  type CaseResult,
  GROUPS,
  type Group,
  groupOf,
  type Harness,
  PROFILES,
  type Profile,
  type RunOptions,
  runSuite,
  SUITE,
  type SuiteRun,
  selectCases,
  summarize,
  toReport,
  withMatrix,
} from '../packages/conformance/src/index.ts';
import { paths } from './paths.mjs';

const USAGE = `npm run conformance -- [BACKEND…] [options]

  BACKEND              such as memory or sqlite; all of this repository unless given
  --profile smoke      the short selection
  --only A6,K2         these cases; a letter such as A is all cases of that letter
  --group Ordering     these groups, by name or letter
  --parallel N         cases at a time (4)
  --seed N             the random numbers of an earlier run
  --json FILE          the results as JSON
  --write-docs         writes the matrix into docs/semantics.md
  --verbose            each case as it ends
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    profile: { type: 'string', default: 'full' },
    only: { type: 'string' },
    group: { type: 'string' },
    parallel: { type: 'string', default: '4' },
    seed: { type: 'string' },
    json: { type: 'string' },
    'write-docs': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(USAGE);
else await main();
// The servers that harnesses share among their cases end with this process.
process.exit();

async function main(): Promise<void> {
  const options = readOptions();
  const runs: SuiteRun[] = [];
  for (const harness of await findHarnesses()) {
    if (harness.notTested !== undefined) {
      process.stderr.write(`NOT TESTED: conformance of ${harness.name}: ${harness.notTested}\n`);
      if (process.env['CI']) process.exitCode = 1;
      continue;
    }
    process.stderr.write(`conformance of ${harness.name}\n`);
    try {
      runs.push(await runSuite(harness, options));
    } catch (error) {
      reportUnopened(harness, error, selectCases(options).length);
    }
  }
  process.stdout.write(`${summarize(runs)}\n`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(runs.map(toReport), null, 2)}\n`);
  if (values['write-docs']) {
    const file = join(paths.root, 'docs', 'semantics.md');
    writeFileSync(file, withMatrix(readFileSync(file, 'utf8'), runs));
  }
  if (runs.some(({ results }) => results.some(({ status }) => status === 'failed'))) process.exitCode = 1;
}

/** Every case fails when the store does not open to read its capabilities. */
function reportUnopened({ name }: Harness, error: unknown, cases: number): void {
  const [message = '', place = ''] = String((error as Error).stack ?? error).split('\n');
  process.stderr.write(`${name}: ${cases} cases failed: the store did not open: ${message}\n${place}\n`);
  process.exitCode = 1;
}

/** Each backend has its harness in `test/harness.ts`, or one for each of its links in `test/NAME-harness.ts`. */
async function findHarnesses(): Promise<Harness[]> {
  const files = globSync('packages/{transport-*,compose}/test/*harness.ts', { cwd: paths.root }).sort();
  const harnesses: Harness[] = [];
  for (const file of files) {
    const { harness } = (await import(pathToFileURL(join(paths.root, file)).href)) as { harness?: Harness };
    if (harness !== undefined) harnesses.push(harness);
  }
  const names = harnesses.map(({ name }) => name);
  const unknown = positionals.filter((name) => !names.includes(name));
  if (unknown.length > 0) fail(`no backend ${unknown.join(', ')} among ${names.join(', ')}`);
  return harnesses.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
}

function readOptions(): RunOptions {
  const { profile, only, group, parallel, seed, verbose } = values;
  if (!isProfile(profile)) fail(`--profile is ${PROFILES.join(', ')}, not ${profile}`);
  if (
    values['write-docs'] &&
    (positionals.length > 0 || only !== undefined || group !== undefined || profile !== 'full')
  ) {
    fail('--write-docs needs all backends and the full profile');
  }
  const options: RunOptions = {
    profile,
    parallel: toNumber('--parallel', parallel),
    ...(only !== undefined && { only: toIds(only) }),
    ...(group !== undefined && { cases: SUITE.filter((one) => toGroups(group).has(one.group)) }),
    ...(seed !== undefined && { seed: toNumber('--seed', seed) }),
    onResult: (result) => tell(result, verbose),
  };
  if (selectCases(options).length === 0) fail('no case is selected');
  return options;
}

/** The ids in `list`, such as `A6,K`: a letter stands for all of its cases. */
function toIds(list: string): string[] {
  return list.split(',').flatMap((text) => {
    const found = SUITE.filter(({ id }) => id === text || id.replace(/\d+$/, '') === text);
    if (found.length === 0) fail(`--only has the unknown case ${text}`);
    return found.map(({ id }) => id);
  });
}

/** The groups in `list`, by name or by the letter of their ids. */
function toGroups(list: string): ReadonlySet<Group> {
  const groups = list.split(',').map((text) => {
    const found = GROUPS.find((group) => group === text) ?? groupOf(`${text}1`);
    return found ?? fail(`--group is a letter, or one of ${GROUPS.join(', ')}`);
  });
  return new Set(groups);
}

function tell({ id, status, title, reason, ms }: CaseResult, verbose: boolean): void {
  if (!verbose && status !== 'failed') return;
  process.stderr.write(`  ${id} ${status} ${ms} ms  ${title}${reason === undefined ? '' : `\n      ${reason}`}\n`);
}

function isProfile(text: string): text is Profile {
  return (PROFILES as readonly string[]).includes(text);
}

function toNumber(name: string, text: string): number {
  if (!/^\d{1,10}$/.test(text)) fail(`${name} takes a number, not ${text}`);
  return Number(text);
}

function fail(message: string): never {
  process.stderr.write(`conformance: ${message}\n\n${USAGE}`);
  process.exit(2);
}
