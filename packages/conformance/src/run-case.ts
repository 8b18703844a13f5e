/** Runs one case and returns its result. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { isBusbarError } from '@busbar/api';
import type { Capabilities } from '@busbar/api/transport';
import type { CaseResult, ConformanceCase, Status } from './case.ts';
import { type OpenedLab, openLab } from './context/open-test-context.ts';
import { seedFor } from './context/random.ts';
import { within } from './context/until.ts';
import type { Harness, Power, Profile, StrangerKind } from './harness.ts';
import { whyNoDisks } from './processes/confinement.ts';

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
interface Verdict {
  readonly status: Status;
  readonly reason?: string;
}

/** Unhandled rejections of each running case, found by its asynchronous context. */
const running = new AsyncLocalStorage<unknown[]>();
let watchers = 0;

/** Runs `subject` in its own test context. Never rejects. */
export async function runCase(
  harness: Harness,
  subject: ConformanceCase,
  options: RunCaseOptions = {},
): Promise<CaseResult> {
  const began = performance.now();
  const unhandled: unknown[] = [];
  watch();
  const { verdict, assertions } = await running.run(unhandled, () => attempt(harness, subject, options));
  // Unhandled rejections are reported one turn later.
  await new Promise(setImmediate);
  unwatch();
  const { id, group, title, level } = subject;
  const final =
    unhandled.length > 0 && verdict.status !== 'failed'
      ? { status: 'failed' as const, reason: `a rejection was left unhandled: ${describe(unhandled[0])}` }
      : verdict;
  return { id, group, title, level, ...final, assertions, ms: Math.round(performance.now() - began) };
}

async function attempt(
  harness: Harness,
  subject: ConformanceCase,
  { seed = 0, profile = 'full' }: RunCaseOptions,
): Promise<{ verdict: Verdict; assertions: number }> {
  let lab: OpenedLab;
  try {
    const opening = openLab(harness, subject, { seed: seedFor(seed, subject.id), profile });
    lab = await within(OPEN_MS, `not within ${OPEN_MS} ms`, opening);
  } catch (error) {
    return { verdict: { status: 'failed', reason: `the store did not open: ${describe(error)}` }, assertions: 0 };
  }
  const verdict = await judge(harness, subject, lab);
  const problems = await lab.end();
  const assertions = lab.check.count;
  if (verdict.status === 'failed' || problems.length === 0) return { verdict, assertions };
  return { verdict: { status: 'failed', reason: problems.join('; ') }, assertions };
}

async function judge(harness: Harness, subject: ConformanceCase, lab: OpenedLab): Promise<Verdict> {
  const { capabilities } = lab;
  const excuse = subject.notApplicable?.(capabilities);
  if (excuse !== undefined) return { status: 'not-applicable', reason: excuse };
  const missing = subject.needs?.find((feature) => !capabilities.features[feature]);
  const lacking = missing && `${missing}: ${capabilities.reasons[missing] ?? 'no reason is declared'}`;
  if (lacking !== undefined && subject.refused !== undefined) return proveRefused(subject, lab, lacking);
  const unpowered = whyUnpowered(harness, subject, capabilities);
  if (unpowered !== undefined) return unpowered;
  if (lacking !== undefined) return proveRefused(subject, lab, lacking);
  return perform(lab, subject, () => subject.run(lab));
}

/** A missing feature must be refused. If the case passes anyway, the declaration is wrong. */
async function proveRefused(subject: ConformanceCase, lab: OpenedLab, reason: string): Promise<Verdict> {
  if (subject.refused === undefined) {
    const verdict = await perform(lab, subject, () => subject.run(lab));
    return verdict.status === 'passed'
      ? { status: 'failed', reason: `declared unsupported but works (${reason})` }
      : { status: 'unsupported', reason };
  }
  const verdict = await perform(lab, subject, () => subject.refused?.(lab));
  return verdict.status === 'passed' ? { status: 'unsupported', reason } : verdict;
}

/** A harness feature that the declared capabilities exclude makes the case not applicable, not untested. */
function whyUnpowered(
  harness: Harness,
  { powers = [], takesTurns = false, stranger }: ConformanceCase,
  { reach, durability }: Capabilities,
): Verdict | undefined {
  if (powers.includes('server') || stranger !== undefined) {
    const withoutServer = whyWithoutServer(harness, stranger);
    if (withoutServer !== undefined) return withoutServer;
  }
  const staysInside: Verdict = {
    status: 'not-applicable',
    reason: 'It declares that it reaches no further than its process.',
  };
  for (const power of powers) {
    if (power === 'processes' && reach === 'process' && !takesTurns) return staysInside;
    const reason = whyMissing(harness, power);
    if (reason === undefined) continue;
    if (power === 'reopen' && durability === 'none') {
      return { status: 'not-applicable', reason: 'Its declared durability is `none`.' };
    }
    if (power !== 'server' && reach === 'process' && durability === 'none') return staysInside;
    return { status: 'not-tested', reason };
  }
  return undefined;
}

function whyMissing({ missing = {}, spare = false }: Harness, power: Power): string | undefined {
  if (power === 'spare' && !spare) return 'It is a single server. The profile `cluster` tests several.';
  return missing[power] ?? (power === 'disk' ? whyNoDisks() : undefined);
}

/** A backend without a server can neither lose it nor reject a client. */
function whyWithoutServer(
  { serverless = false, strangers = {} }: Harness,
  stranger: StrangerKind | undefined,
): Verdict | undefined {
  if (serverless) return { status: 'not-applicable', reason: 'It has no server.' };
  if (stranger === undefined) return undefined;
  const found = strangers[stranger];
  if (typeof found === 'string') return { status: 'not-applicable', reason: found };
  if (found !== undefined) return undefined;
  return { status: 'not-tested', reason: 'The harness has no such rejected client.' };
}

async function perform(lab: OpenedLab, subject: ConformanceCase, work: () => unknown): Promise<Verdict> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = subject;
  try {
    await within(timeoutMs, `the case did not end within ${timeoutMs} ms`, Promise.resolve().then(work));
    if (lab.check.count > 0) return { status: 'passed' };
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
