/** Whether the store of a bus answers. */

import type { CallOptions } from '../contract/call-options.ts';
import { type BusbarError, toBusbarError } from '../contract/errors.ts';
import type { TransportState } from '../contract/transport.ts';
import { checkDuration, checkOptions, checkSignal, MAX_DURATION_MS } from '../contract/validation.ts';
import type { BusRuntime } from './runtime.ts';

/** The health of a bus at one moment. */
export interface BusHealth {
  /** Whether the store answered in time. */
  readonly ok: boolean;
  /** The state of the transport. */
  readonly state: TransportState;
  /** How long the answer took, in milliseconds. */
  readonly roundTripMs: number;
  /** Why the store did not answer. */
  readonly error?: BusbarError;
}

const DEFAULT_TIMEOUT_MS = 5_000;

/** Reads one key. Rejects with INVALID_ARGUMENT only. */
export async function checkHealth({ transport }: BusRuntime, options: CallOptions = {}): Promise<BusHealth> {
  checkOptions(options, ['timeoutMs', 'signal'], 'health options');
  checkDuration(options.timeoutMs, 'timeoutMs', { min: 1, max: MAX_DURATION_MS, infinity: true });
  checkSignal(options.signal);
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
  const began = performance.now();
  const failure = await transport.kv.get('$health', { timeoutMs, signal }).then(
    () => undefined,
    (error: unknown) => toBusbarError(error),
  );
  const roundTripMs = performance.now() - began;
  return { ok: failure === undefined, state: transport.state, roundTripMs, ...(failure && { error: failure }) };
}
