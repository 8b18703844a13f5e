/** Changes gates: for a mover, and when the time of a gate is over. */

import { changeGate, type GateChange, isClosed } from '@busbar/api/driver';
import { loadGate, releaseGate, saveGate, startClock } from '../connection/namespace-gate.ts';
import type { Transaction } from '../connection/transaction.ts';

/** Changes the gate of the namespace. Leases end with `closed`: maintenance rescues them. */
export function setGate(tx: Transaction, change: GateChange): void {
  const next = changeGate(tx.gate, change, tx.time);
  const wasClosed = isClosed(tx.gate);
  if (isClosed(next) && !wasClosed) endLeases(tx);
  if (!isClosed(next) && wasClosed) startClock(tx.store, tx.ns, tx.time);
  saveGate(tx.store, tx.ns, next, isClosed(next) ? tx.now : undefined);
  tx.forgetGate();
}

/** Lets gates whose time is over fall back, in all namespaces. Returns false: one step does it all. */
export function releaseGates(tx: Transaction): false {
  const { store, time } = tx;
  for (const [ns] of store.sql<[string]>('SELECT ns FROM namespace WHERE gate_until <= ?').all(time)) {
    const gate = loadGate(store, ns);
    if (gate !== undefined) releaseGate(store, ns, gate, time);
  }
  tx.forgetGate();
  return false;
}

function endLeases({ store, ns, now }: Transaction): void {
  store
    .sql('UPDATE leased SET until=? WHERE until>? AND queue_id IN (SELECT id FROM queue WHERE ns=?)')
    .run(now, now, ns);
}
