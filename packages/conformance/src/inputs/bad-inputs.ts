/** Bad input and its expected error, the same on every backend. */

import type { ErrorCode } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { CheckFailed } from '../context/check.ts';
import type { TestContext } from '../context/test-context.ts';

/** A call that must be refused, and its error code. */
export interface BadInput {
  readonly what: string;
  /** Default INVALID_ARGUMENT. */
  readonly code?: ErrorCode;
  call(transport: Transport): unknown;
}

/** Asserts that each call rejects (and does not throw) with its code and the outcome `failed`. */
export async function assertAllRefused(
  test: TestContext,
  transport: Transport,
  inputs: readonly BadInput[],
): Promise<void> {
  for (const { what, code = 'INVALID_ARGUMENT', call } of inputs) {
    const refused = started(what, () => call(transport));
    const error = await test.check.rejects(refused, code, what);
    test.check.equal(error.outcome, 'failed', `outcome of ${what}`);
  }
}

function started(what: string, call: () => unknown): Promise<unknown> {
  try {
    return Promise.resolve(call());
  } catch (error) {
    throw new CheckFailed(`${what}: it threw ${String(error)} instead of rejecting`);
  }
}

/** One call for each of the bad values. */
export function tried(
  what: string,
  values: readonly unknown[],
  call: (transport: Transport, value: never) => unknown,
): BadInput[] {
  return values.map((value) => ({
    what: `${what}: ${shown(value)}`,
    call: (transport) => call(transport, unchecked(value)),
  }));
}

/** Passes a value past the type checker. */
export function unchecked(value: unknown): never {
  return value as never;
}

/** Shortens a value to a few characters. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 24 ? `${text.slice(0, 21)}...` : text;
}
