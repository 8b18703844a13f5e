/** Runs one case and returns its result. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { isBusbarError } from '@busbar/api';
import type { Capabilities } from '@busbar/api/transport';
import type { CaseResult, ConformanceCase, Status } from './case.ts';
import { openTestContext } from './context/open-test-context.ts';
import { seedFor } from './context/random.ts';
import type { TestContext } from './context/test-context.ts';
import { within } from './context/until.ts';
import type { Harness, HarnessFeature, Profile, UntrustedClientKind } from './harness.ts';
import { diskLimitsMissing } from './processes/confinement.ts';

const DEFAULT_TIMEOUT_MS = 20_000;
/** Time limit for opening a store. */
const OPEN_MS = 20_000;

/** Options of a run. */
export interface RunCaseOptions {
  /** Default 0. */
  readonly seed?: number;
  /** Default `full`. */
  readonly profile?: Profile;
}

/** Status and reason of a result. */
interface CaseOutcome {
  readonly status: Status;
  readonly reason?: string;
}

/** Unhandled rejections of each running case, found by its asynchronous context. */
const running = new AsyncLocalStorage<unknown[]>();
let watchers = 0;

/** How long a case may take, in milliseconds. */
export function limitOf({ timeoutMs = DEFAULT_TIMEOUT_MS }: ConformanceCase): number {
  return timeoutMs;
}

/** Runs `subject` in its own test context. Never rejects. */
export async function runCase(
  harness: Harness,
  subject: ConformanceCase,
  options: RunCaseOptions = {},
): Promise<CaseResult> {
  const began = performance.now();
  const unhandled: unknown[] = [];
  watch();
  const { outcome, assertions } = await running.run(unhandled, () => attempt(harness, subject, options));
  // Unhandled rejections are reported one turn later.
  await new Promise(setImmediate);
  unwatch();
  const { id, group, title, level } = subject;
  const final =
    unhandled.length > 0 && outcome.status !== 'failed'
      ? { status: 'failed' as const, reason: `a rejection was left unhandled: ${describe(unhandled[0])}` }
      : outcome;
  return { id, group, title, level, ...final, assertions, ms: Math.round(performance.now() - began) };
}

async function attempt(
  harness: Harness,
  subject: ConformanceCase,
  { seed = 0, profile = 'full' }: RunCaseOptions,
): Promise<{ outcome: CaseOutcome; assertions: number }> {
  let test: TestContext;
  try {
    const opening = openTestContext(harness, subject, { seed: seedFor(seed, subject.id), profile });
    test = await within(OPEN_MS, `not within ${OPEN_MS} ms`, opening);
  } catch (error) {
    return { outcome: { status: 'failed', reason: `the store did not open: ${describe(error)}` }, assertions: 0 };
  }
  const outcome = await evaluate(harness, subject, test);
  const problems = await test.end();
  const assertions = test.check.count;
  if (outcome.status === 'failed' || problems.length === 0) return { outcome, assertions };
  return { outcome: { status: 'failed', reason: problems.join('; ') }, assertions };
}

async function evaluate(harness: Harness, subject: ConformanceCase, test: TestContext): Promise<CaseOutcome> {
  const { capabilities } = test;
  const excuse = subject.notApplicable?.(capabilities);
  if (excuse !== undefined) return { status: 'not-applicable', reason: excuse };
  const missing = subject.needs?.find((feature) => !capabilities.features[feature]);
  const lacking = missing && `${missing}: ${capabilities.reasons[missing] ?? 'no reason is declared'}`;
  if (lacking !== undefined && subject.refused !== undefined) return proveRefused(subject, test, lacking);
  const missingFeature = whyMissingFeature(harness, subject, capabilities);
  if (missingFeature !== undefined) return missingFeature;
  if (lacking !== undefined) return proveRefused(subject, test, lacking);
  return runIt(test, subject);
}

/** A missing feature must be refused. If the case passes anyway, the declaration is wrong. */
async function proveRefused(subject: ConformanceCase, test: TestContext, reason: string): Promise<CaseOutcome> {
  if (subject.refused === undefined) {
    const outcome = await runIt(test, subject);
    return outcome.status === 'passed'
      ? { status: 'failed', reason: `declared unsupported but works (${reason})` }
      : { status: 'unsupported', reason };
  }
  const outcome = await perform(test, subject, () => subject.refused?.(test));
  return outcome.status === 'passed' ? { status: 'unsupported', reason } : outcome;
}

/** A harness feature that the declared capabilities exclude makes the case not applicable, not untested. */
function whyMissingFeature(
  harness: Harness,
  { harnessFeatures = [], oneProcessAtATime = false, untrustedClient }: ConformanceCase,
  { reach, durability }: Capabilities,
): CaseOutcome | undefined {
  if (harnessFeatures.includes('server') || untrustedClient !== undefined) {
    const withoutServer = whyWithoutServer(harness, untrustedClient);
    if (withoutServer !== undefined) return withoutServer;
  }
  const staysInside: CaseOutcome = {
    status: 'not-applicable',
    reason: 'It declares that it reaches no further than its process.',
  };
  for (const feature of harnessFeatures) {
    if (feature === 'processes' && reach === 'process' && !oneProcessAtATime) return staysInside;
    const reason = whyMissing(harness, feature);
    if (reason === undefined) continue;
    if ((feature === 'reopen' || feature === 'format') && durability === 'none') {
      return { status: 'not-applicable', reason: 'Its declared durability is `none`.' };
    }
    if (feature !== 'server' && reach === 'process' && durability === 'none') return staysInside;
    return { status: 'not-tested', reason };
  }
  return undefined;
}

function whyMissing({ missing = {}, spare = false }: Harness, feature: HarnessFeature): string | undefined {
  if (feature === 'spare' && !spare) return 'It is a single server. The profile `cluster` tests several.';
  return missing[feature] ?? (feature === 'disk' ? diskLimitsMissing() : undefined);
}

/** A backend without a server can neither lose it nor reject a client. */
function whyWithoutServer(
  { serverless = false, untrustedClients = {} }: Harness,
  untrustedClient: UntrustedClientKind | undefined,
): CaseOutcome | undefined {
  if (serverless) return { status: 'not-applicable', reason: 'It has no server.' };
  if (untrustedClient === undefined) return undefined;
  const found = untrustedClients[untrustedClient];
  if (typeof found === 'string') return { status: 'not-applicable', reason: found };
  if (found !== undefined) return undefined;
  return { status: 'not-tested', reason: 'The harness has no such rejected client.' };
}

function runIt(test: TestContext, subject: ConformanceCase): Promise<CaseOutcome> {
  return perform(test, subject, async () => subject.run(test, await test.transport()));
}

async function perform(test: TestContext, subject: ConformanceCase, work: () => unknown): Promise<CaseOutcome> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = subject;
  try {
    await within(timeoutMs, `the case did not end within ${timeoutMs} ms`, Promise.resolve().then(work));
    if (test.check.count > 0) return { status: 'passed' };
    return { status: 'failed', reason: 'the case made no assertion' };
  } catch (error) {
    return { status: 'failed', reason: describe(error) };
  }
}

function describe(error: unknown): string {
  if (isBusbarError(error)) return `${error.code}: ${error.message}${error.operation ? ` (${error.operation})` : ''}`;
  if (!(error instanceof Error)) return String(error);
  return error.name === 'CheckFailed' ? error.message : `${error.name}: ${error.message}${place(error)}`;
}

/** The first stack line of an error that is not a failed assertion. */
function place(error: Error): string {
  const line = error.stack?.split('\n').find((text) => text.trimStart().startsWith('at '));
  return line === undefined ? '' : ` ${line.trim()}`;
}

function watch(): void {
  watchers += 1;
  if (watchers === 1) process.on('unhandledRejection', note);
}

function unwatch(): void {
  watchers -= 1;
  if (watchers === 0) process.off('unhandledRejection', note);
}

/** Assigns the rejection to the case that created the promise. */
function note(reason: unknown): void {
  running.getStore()?.push(reason);
}
