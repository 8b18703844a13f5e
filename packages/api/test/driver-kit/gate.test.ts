/** What all backends decide alike about the gate of a store. */

import { expect, test } from 'vitest';
import {
  changeGate,
  checkGate,
  type GateChange,
  gateAt,
  OPEN_GATE,
  type StoredGate,
  toGate,
} from '../../src/driver-kit/gate.ts';

const FOREVER = Number.POSITIVE_INFINITY;

function change(gate: StoredGate, state: GateChange['state'], rest: Partial<GateChange> = {}, now = 1_000): StoredGate {
  return changeGate(gate, { state, ifRevision: gate.revision, movedTo: undefined, ttlMs: 500, ...rest }, now);
}

test('each change raises the revision, and a renewal only its end', () => {
  const draining = change(OPEN_GATE, 'draining');
  expect(draining).toEqual({ state: 'draining', revision: 1, movedTo: undefined, until: 1_500 });
  const closed = change(draining, 'closed');
  expect(change(closed, 'closed', {}, 1_400)).toEqual({ ...closed, until: 1_900 });
  const moved = change(closed, 'moved', { movedTo: 'there' });
  expect(moved).toEqual({ state: 'moved', revision: 3, movedTo: 'there', until: FOREVER });
  expect(change(change(moved, 'closed'), 'open')).toEqual({ ...OPEN_GATE, revision: 5 });
  expect(toGate(closed, 1_200)).toEqual({ state: 'closed', revision: 2, movedTo: undefined, ttlLeftMs: 300 });
});

test('a gate whose time is over has another revision: open, or moved if it was that', () => {
  const closed = change(OPEN_GATE, 'closed');
  expect(gateAt(closed, 1_499)).toBe(closed);
  expect(gateAt(closed, 1_500)).toEqual({ ...OPEN_GATE, revision: 2 });
  expect(() => change(closed, 'moved', { movedTo: 'there' }, 1_500)).toThrow(/open at revision 2, not at revision 1/);
  const back = change(change(closed, 'moved', { movedTo: 'there' }), 'closed');
  expect(gateAt(back, 2_000)).toEqual({ state: 'moved', revision: 4, movedTo: 'there', until: FOREVER });
});

test('changes out of order are refused, and say what comes first', () => {
  const closed = change(OPEN_GATE, 'closed');
  const moved = change(closed, 'moved', { movedTo: 'there' });
  const refused = [
    [OPEN_GATE, 'moved'],
    [change(OPEN_GATE, 'draining'), 'moved'],
    [closed, 'draining'],
    [moved, 'open'],
    [moved, 'draining'],
  ] as const;
  for (const [gate, state] of refused) {
    expect(() => change(gate, state)).toThrow(expect.objectContaining({ code: 'CONFLICT', retryable: false }));
  }
});

test('a closed gate refuses calls, but one of a move at its revision', () => {
  const closed = change(OPEN_GATE, 'closed');
  expect(() => checkGate(closed)).toThrow(expect.objectContaining({ code: 'CONFLICT', retryable: true }));
  expect(() => checkGate(closed, 0)).toThrow(/not at revision 0/);
  expect(() => checkGate(change(closed, 'moved', { movedTo: 'there' }))).toThrow('the bus has moved to there');
  for (const gate of [OPEN_GATE, change(OPEN_GATE, 'draining')]) checkGate(gate);
  checkGate(closed, 1);
});
