/** Steps for calls whose server does not respond: each ends within its own bound. */

import { type Bus, type ErrorCode, isBusbarError } from '@busbar/api';
import type { TestContext } from '../context/test-context.ts';
import { ROUNDING_MS } from './consuming.ts';

/** How much later than its bound a call may end on a busy machine. */
const SLACK_MS = 3_000;

/** Asserts that locks, semaphores and lists of agents, bounded by 500 ms, fail with one of `codes` within `withinMs`. */
export async function assertBounded(
  test: TestContext,
  bus: Bus,
  codes: readonly ErrorCode[],
  withinMs: number,
): Promise<void> {
  const began = performance.now();
  const calls = {
    'a lock': bus.lock('door', { waitMs: 500 }),
    'a lock without a wait': bus.lock('gate', { waitMs: 0 }),
    'a semaphore': bus.semaphore('slots', { permits: 2, waitMs: 500 }),
    'the list of agents': bus.agents({ timeoutMs: 500 }),
    'the holder of a lock': bus.lockHolder('door', { timeoutMs: 500 }),
  };
  await Promise.all(Object.entries(calls).map(([what, call]) => test.check.rejects(call, codes, what)));
  test.check.between(performance.now() - began, 0, withinMs, 'milliseconds until all calls of 500 ms ended');
}

/**
 * Asserts that `call` fails after `boundMs`, neither earlier nor much later. One that changes data may have an unknown outcome. It
 * fails earlier if the client notices that its server is away.
 */
export async function assertTimedOut(
  test: TestContext,
  what: string,
  boundMs: number,
  call: () => Promise<unknown>,
): Promise<void> {
  const began = performance.now();
  const end = await call().then(statusOf, (error: unknown) => (isBusbarError(error) ? error.code : String(error)));
  const tookMs = performance.now() - began;
  test.check.ok(['TIMEOUT', 'UNAVAILABLE', 'unknown'].includes(end), `${what} ended with ${end}`);
  test.check.between(
    tookMs,
    end === 'TIMEOUT' ? boundMs - ROUNDING_MS : 0,
    boundMs + SLACK_MS,
    `milliseconds until ${what} ended`,
  );
}

function statusOf(value: unknown): string {
  const [first] = Array.isArray(value) ? (value as readonly { readonly status?: string }[]) : [];
  return first?.status ?? 'done';
}
