/** What all backends decide alike about the gate of a store. */

import { BusbarError } from '../contract/errors.ts';
import type { Gate, GateState } from '../contract/gate.ts';

/** A gate as a store keeps it. */
export interface StoredGate {
  readonly state: GateState;
  readonly revision: number;
  readonly movedTo: string | undefined;
  /** When it falls back, on a clock of the store that a closed gate does not stop; Infinity for never. */
  readonly until: number;
}

/** A wanted change, complete and checked. */
export interface GateChange {
  readonly state: GateState;
  readonly ifRevision: number;
  readonly movedTo: string | undefined;
  readonly ttlMs: number;
}

/** The gate of a store that has stored none. */
export const OPEN_GATE: StoredGate = {
  state: 'open',
  revision: 0,
  movedTo: undefined,
  until: Number.POSITIVE_INFINITY,
};

/** The states that may follow each state. The same state again is a renewal. */
const NEXT: Readonly<Record<GateState, readonly GateState[]>> = {
  open: ['draining', 'closed'],
  draining: ['closed', 'open'],
  closed: ['moved', 'open'],
  moved: ['closed'],
};

/** The gate at `now`: without a renewal it has fallen back to `open`, or to `moved` if it was that before. */
export function gateAt(stored: StoredGate, now: number): StoredGate {
  if (now < stored.until) return stored;
  const { movedTo, revision } = stored;
  const state = movedTo === undefined ? 'open' : 'moved';
  return { state, revision: revision + 1, movedTo, until: Number.POSITIVE_INFINITY };
}

/** The gate after a change. Throws CONFLICT if the change is not legal at `now`. */
export function changeGate(stored: StoredGate, change: GateChange, now: number): StoredGate {
  const gate = gateAt(stored, now);
  const { state, ttlMs } = change;
  checkGateRevision(gate, change.ifRevision);
  const until = state === 'draining' || state === 'closed' ? now + ttlMs : Number.POSITIVE_INFINITY;
  if (state === gate.state) return { ...gate, until };
  if (!NEXT[gate.state].includes(state)) throw illegalChange(gate.state, state);
  const kept = state === 'open' ? undefined : gate.movedTo;
  return { state, revision: gate.revision + 1, movedTo: change.movedTo ?? kept, until };
}

/** The gate for its caller. `gate` is that of `now`. */
export function toGate({ state, revision, movedTo, until }: StoredGate, now: number): Gate {
  const ttlLeftMs = until === Number.POSITIVE_INFINITY ? undefined : Math.max(0, until - now);
  return { state, revision, movedTo, ttlLeftMs };
}

/** Whether the state of the store must not change. */
export function isClosed({ state }: Pick<Gate, 'state'>): boolean {
  return state === 'closed' || state === 'moved';
}

/** Throws CONFLICT if the gate refuses a call that changes the store. `gateRevision` is that of a call of a move. */
export function checkGate(gate: Omit<StoredGate, 'until'>, gateRevision?: number): void {
  if (gateRevision !== undefined) checkGateRevision(gate, gateRevision);
  else if (isClosed(gate)) throw gateClosed(gate);
}

/** Throws CONFLICT unless the gate has this revision. */
export function checkGateRevision(gate: Pick<Gate, 'state' | 'revision'>, wanted: number): void {
  if (gate.revision !== wanted) throw wrongGateRevision(gate, wanted);
}

/** CONFLICT for a call that expects another revision of the gate. */
export function wrongGateRevision({ state, revision }: Pick<Gate, 'state' | 'revision'>, wanted: number): BusbarError {
  return new BusbarError('CONFLICT', `the gate is ${state} at revision ${revision}, not at revision ${wanted}`, {
    hint: 'Another move has changed the gate, or its time was over. Read it again.',
  });
}

/** CONFLICT for a change of the gate that is not legal. */
export function illegalChange(from: GateState, to: GateState): BusbarError {
  return new BusbarError('CONFLICT', `a gate that is ${from} cannot become ${to}`, {
    hint: `Set it to ${NEXT[from].join(' or ')} first.`,
  });
}

/** CONFLICT for a call that changes a store that is closed. */
export function gateClosed({ state, movedTo }: Pick<Gate, 'state' | 'movedTo'>): BusbarError {
  if (state === 'moved') {
    return new BusbarError('CONFLICT', `the bus has moved to ${movedTo}`, {
      hint: 'Set MESSAGE_BUS to the new store. This one is closed for good.',
    });
  }
  return new BusbarError('CONFLICT', 'the store is closed: it is being moved', {
    hint: 'Try again when the move is over. Without a sign of life of the mover the store opens within a minute.',
    retryable: true,
  });
}
