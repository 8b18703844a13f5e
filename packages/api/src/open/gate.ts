/** The gate of a transport's store: checks arguments. */

import type { Admin, SetGateOptions } from '../contract/admin.ts';
import { requireFeature } from '../contract/capabilities.ts';
import { invalid } from '../contract/errors.ts';
import { checkDuration, checkInteger, checkOneOf, checkOptions, checkText } from '../contract/validation.ts';
import type { GateChange } from '../driver-kit/gate.ts';
import type { TransportInternals } from './transport-internals.ts';
import { declaredAdmin } from './validate-capabilities.ts';

const CALL_KEYS = ['timeoutMs', 'signal'];
const STATES = ['open', 'draining', 'closed', 'moved'];
const MAX_TEXT = 1024;
/** A mover renews several times within it. */
const DEFAULT_TTL_MS = 10_000;
const TTL_RANGE = { min: 100, max: 60_000 };

/** The methods of the admin facet that read and change the gate. */
export function openGate({ inflight, driver }: TransportInternals): Pick<Admin, 'gate' | 'setGate'> {
  const { capabilities } = driver;
  const admin = declaredAdmin(driver);
  return {
    async gate(options) {
      checkOptions(options, CALL_KEYS, 'gate options');
      requireFeature(capabilities, 'gate');
      return inflight.read(options, (context) => admin.gate(context));
    },
    async setGate(state, options) {
      checkOneOf(state ?? null, 'state', STATES);
      const change = { state, ...checkChange(options) };
      checkFit(change, options);
      requireFeature(capabilities, 'gate');
      return inflight.write(options, (context) => admin.setGate(change, context));
    },
  };
}

/** Throws INVALID_ARGUMENT unless `gateRevision` is a revision or undefined. */
export function checkGateRevisionOption(gateRevision: unknown): void {
  checkInteger(gateRevision, 'gateRevision', { min: 0, max: Number.MAX_SAFE_INTEGER });
}

function checkChange(options: SetGateOptions | undefined): Omit<GateChange, 'state'> {
  checkOptions(options ?? null, ['ifRevision', 'movedTo', 'ttlMs', ...CALL_KEYS], 'setGate options');
  const { ifRevision, movedTo, ttlMs } = options as SetGateOptions;
  checkInteger(ifRevision ?? null, 'ifRevision', { min: 0, max: Number.MAX_SAFE_INTEGER });
  checkText(movedTo, 'movedTo', MAX_TEXT);
  checkDuration(ttlMs, 'ttlMs', TTL_RANGE);
  return { ifRevision, movedTo, ttlMs: ttlMs ?? DEFAULT_TTL_MS };
}

function checkFit({ state, movedTo }: GateChange, { ttlMs }: SetGateOptions): void {
  const isTimed = state === 'draining' || state === 'closed';
  if (ttlMs !== undefined && !isTimed) throw invalid(`${state} has no ttlMs`, 'Leave it out: the state lasts.');
  if (state === 'moved' && movedTo === undefined) throw invalid('moved needs movedTo', 'Say where the bus is now.');
  if (state !== 'moved' && movedTo !== undefined) throw invalid(`${state} has no movedTo`, 'Only moved has it.');
}
