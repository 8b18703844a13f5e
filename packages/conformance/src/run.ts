/** Runs the suite on one backend without any test framework. */

import type { Capabilities } from '@busbar/api/transport';
import type { CaseResult, ConformanceCase, Load } from './case.ts';
import { CATALOGUE, CLUSTER, compareIds, type Group, missingCase } from './catalogue.ts';
import { type Harness, type Profile, readCapabilities } from './harness.ts';
import { limitOf, runCase } from './run-case.ts';
import { SUITE } from './suite.ts';

/** Options of {@link runSuite}. */
export interface RunOptions {
  /** Default `full`. */
  readonly profile?: Profile | undefined;
  /** Only the cases with these ids. */
  readonly only?: readonly string[] | undefined;
  /** Only the cases of this group. */
  readonly group?: Group | undefined;
  /** Maximum number of concurrent cases, each with its own store. Default 4. */
  readonly parallel?: number | undefined;
  /** Seed of `random` of the context. Default: a new one, returned in the run. */
  readonly seed?: number | undefined;
  /** Default: the whole suite. */
  readonly cases?: readonly ConformanceCase[] | undefined;
  /** Called with each result. */
  readonly onResult?: ((result: CaseResult) => void) | undefined;
}

/** The results of the suite on one backend. */
export interface SuiteRun {
  /** The name of the harness. */
  readonly transport: string;
  readonly profile: Profile;
  readonly seed: number;
  readonly capabilities: Capabilities;
  /** One per case that ran, and in a full run one per id of the catalogue, in its order. */
  readonly results: readonly CaseResult[];
  readonly ms: number;
}

/** Runs cases and resolves with their results. Rejects only if the backend cannot be opened. */
export async function runSuite(harness: Harness, options: RunOptions = {}): Promise<SuiteRun> {
  const { profile = 'full', parallel = 4, seed = newSeed(), onResult } = options;
  const began = performance.now();
  const capabilities = await readCapabilities(() => harness.store());
  const selected = selectCases(options);
  const results = new Map<string, CaseResult>();
  const runOne = async (subject: ConformanceCase): Promise<void> => {
    const result = await runCase(harness, subject, { seed, profile });
    results.set(result.id, result);
    onResult?.(result);
  };
  const { together, timed, alone } = groupByLoad(selected);
  await inParallel(parallel, together, runOne);
  await inParallel(parallel, timed, runOne);
  await inParallel(1, alone, runOne);
  if (isWhole(options)) for (const result of missingResults(results)) results.set(result.id, result);
  const ms = Math.round(performance.now() - began);
  return { transport: harness.name, profile, seed, capabilities, results: [...results.values()].sort(compareIds), ms };
}

/** Cases by what may run beside them: any other, other ones about time, or nothing. The longest begin first. */
export function groupByLoad(cases: readonly ConformanceCase[]): Readonly<Record<Load, readonly ConformanceCase[]>> {
  const longestFirst = cases.toSorted((one, other) => limitOf(other) - limitOf(one));
  const { together = [], timed = [], alone = [] } = Object.groupBy(longestFirst, ({ load = 'together' }) => load);
  return { together, timed, alone };
}

async function inParallel<T>(most: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: most }, worker));
}

/** The cases selected by `options`. */
export function selectCases({ profile = 'full', only, group, cases = SUITE }: RunOptions): readonly ConformanceCase[] {
  return cases.filter(
    (subject) =>
      (only === undefined || only.includes(subject.id)) &&
      (group === undefined || subject.group === group) &&
      (only !== undefined || isIn(profile, subject)),
  );
}

function isIn(profile: Profile, { id, smoke = false }: ConformanceCase): boolean {
  if (profile === 'cluster') return CLUSTER.has(id);
  return profile === 'full' || smoke;
}

/** Returns a random seed. */
export function newSeed(): number {
  return Math.floor(Math.random() * 0x1_0000_0000);
}

function isWhole({ profile = 'full', only, group, cases }: RunOptions): boolean {
  return profile === 'full' && only === undefined && group === undefined && cases === undefined;
}

/** Results for ids without a case. */
function missingResults(results: ReadonlyMap<string, CaseResult>): CaseResult[] {
  return CATALOGUE.filter(({ id }) => !results.has(id)).map(({ id, group }) => ({
    id,
    group,
    title: '',
    level: 'MUST',
    ...missingCase(id),
    assertions: 0,
    ms: 0,
  }));
}
