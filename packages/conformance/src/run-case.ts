/** Runs one case and says what became of it. */

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
/** How long a store may take to open. */
const OPEN_MS = 20_000;

/** How a case is run. */
export interface RunCaseOptions {
  /** Default 0. */
  readonly seed?: number;
  /** Default `full`. */
  readonly profile?: Profile;
}

/** Status and reason, before they are a result. */
interface Verdict {
  readonly status: Status;
  readonly reason?: string;
}

/** What rejected unhandled while a case ran; each in its own asynchronous context. */
const running = new AsyncLocalStorage<unknown[]>();
let watchers = 0;

/** Runs `subject` in a lab of its own. Never rejects. */
export async function runCase(
  harness: Harness,
  subject: ConformanceCase,
  options: RunCaseOptions = {},
): Promise<CaseResult> {
  const began = performance.now();
  const unhandled: unknown[] = [];
  watch();
  const { verdict, assertions } = await running.run(unhandled, () => attempt(harness, subject, options));
  // Rejections are reported a turn after they were left.
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

/** What is declared missing must be refused; a case that works nevertheless is a wrong declaration. */
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

/** A power that is missing because of what the transport declares to be is no gap of the tests. */
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
      return { status: 'not-applicable', reason: 'It declares that it keeps nothing.' };
    }
    if (power !== 'server' && reach === 'process' && durability === 'none') return staysInside;
    return { status: 'not-tested', reason };
  }
  return undefined;
}

function whyMissing({ missing = {}, spare = false }: Harness, power: Power): string | undefined {
  if (power === 'spare' && !spare) return 'It is one server; what several do is tested on the set `cluster`.';
  return missing[power] ?? (power === 'disk' ? whyNoDisks() : undefined);
}

/** A backend without a server has none to lose, and nobody who could be turned away. */
function whyWithoutServer(
  { serverless = false, strangers = {} }: Harness,
  stranger: StrangerKind | undefined,
): Verdict | undefined {
  if (serverless) return { status: 'not-applicable', reason: 'There is no server behind it.' };
  if (stranger === undefined) return undefined;
  const found = strangers[stranger];
  if (typeof found === 'string') return { status: 'not-applicable', reason: found };
  if (found !== undefined) return undefined;
  return { status: 'not-tested', reason: 'The harness has no client that is turned away for that.' };
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

/** Where an error arose that no assertion made. */
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

/** Blames the case in whose context the promise was made. */
function note(reason: unknown): void {
  running.getStore()?.push(reason);
}
