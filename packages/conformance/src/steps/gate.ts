/** Steps that change the gate of a store. */

import type { BusbarError } from '@busbar/api';
import type { Gate, GateState, SetGateOptions, Transport } from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';

/** What a call to a closed store says on every backend. */
export const CLOSED_HINT: RegExp = /opens within a minute/;

/** Sets the gate at its present revision. At the end of the case the gate is opened. */
export async function setGate(
  test: TestContext,
  { admin }: Transport,
  state: GateState,
  options: Omit<SetGateOptions, 'ifRevision'> = {},
): Promise<Gate> {
  const { revision } = await admin.gate();
  test.defer(() => openGate(test));
  return admin.setGate(state, { ...options, ifRevision: revision });
}

/** Opens the gate from any state. */
export async function openGate(test: TestContext): Promise<void> {
  const { admin } = await test.transport();
  for (;;) {
    const { state, revision } = await admin.gate();
    if (state === 'open') return;
    await admin.setGate(state === 'moved' ? 'closed' : 'open', { ifRevision: revision });
  }
}

/** Asserts that a call is refused because the store is closed, and had no effect. */
export async function assertClosed(test: TestContext, call: Promise<unknown>, what: string): Promise<BusbarError> {
  const error = await test.check.rejects(call, 'CONFLICT', what);
  test.check.ok(CLOSED_HINT.test(error.hint ?? ''), `hint of ${what}: ${error.hint}`);
  test.check.equal([error.outcome, error.retryable], ['failed', true], `outcome and retryable of ${what}`);
  return error;
}

/** Asserts that the gate is refused. */
export async function assertGateRefused(test: TestContext): Promise<void> {
  const { admin } = await test.transport();
  await test.check.rejects(admin.gate(), 'UNSUPPORTED', 'reading the gate');
  await test.check.rejects(admin.setGate('closed', { ifRevision: 0 }), 'UNSUPPORTED', 'closing the gate');
}
