/** The gate of a namespace: a row that every transaction reads. While it is closed, the clock of the namespace stands still. */

import { gateAt, isClosed, type StoredGate } from '@busbar/api/driver';
import type { GateState } from '@busbar/api/transport';
import { LIMITED_DUE } from './schema.ts';
import type { Store } from './store.ts';

/** The gate as it is stored, and the store time at which the clock of the namespace stopped. */
export interface StoredNamespaceGate extends StoredGate {
  readonly stoppedAt: number | undefined;
}

const SELECT = 'SELECT gate, gate_revision, moved_to, gate_until, stopped_at FROM namespace WHERE ns=?';
const UPSERT = `INSERT INTO namespace (ns, gate, gate_revision, moved_to, gate_until, stopped_at) VALUES (?,?,?,?,?,?)
  ON CONFLICT (ns) DO UPDATE SET gate=excluded.gate, gate_revision=excluded.gate_revision, moved_to=excluded.moved_to,
    gate_until=excluded.gate_until, stopped_at=excluded.stopped_at`;
const OWN_QUEUES = 'queue_id IN (SELECT id FROM queue WHERE ns=?)';
const LIMIT_DELAYS = `UPDATE delayed SET due = (SELECT ${LIMITED_DUE} FROM message WHERE message.seq=delayed.seq)
  WHERE ${OWN_QUEUES} AND seq IN (SELECT seq FROM message WHERE ordering_key IS NOT NULL AND expires IS NOT NULL)`;

type Raw = readonly [GateState, number, string | null, number | null, number | null];

/** The gate of a namespace; undefined if it was never changed. */
export function loadGate(store: Store, ns: string): StoredNamespaceGate | undefined {
  const row = store.sql(SELECT).get(ns) as Raw | undefined;
  if (row === undefined) return undefined;
  const [state, revision, movedTo, until, stoppedAt] = row;
  return {
    state,
    revision,
    movedTo: movedTo ?? undefined,
    until: until ?? Number.POSITIVE_INFINITY,
    stoppedAt: stoppedAt ?? undefined,
  };
}

/** Lets a gate whose time is over fall back. */
export function releaseGate(store: Store, ns: string, gate: StoredNamespaceGate, time: number): void {
  const next = gateAt(gate, time);
  if (!isClosed(next) && isClosed(gate)) startClock(store, ns, time);
  saveGate(store, ns, next, isClosed(next) ? gate.stoppedAt : undefined);
}

/** Stores the gate of a namespace. */
export function saveGate(store: Store, ns: string, gate: StoredGate, stoppedAt: number | undefined): void {
  const { state, revision, movedTo, until } = gate;
  const end = until === Number.POSITIVE_INFINITY ? null : until;
  store.sql(UPSERT).run(ns, state, revision, movedTo ?? null, end, stoppedAt ?? null);
}

/** Starts the clock of a namespace. Times to live go on with the time that they had left. Delays keep their due time. */
export function startClock(store: Store, ns: string, time: number): void {
  const stoppedAt = store.value('SELECT stopped_at FROM namespace WHERE ns=?', ns) as number;
  const ms = Math.max(0, time - stoppedAt);
  store.sql(`UPDATE message SET expires = expires + ? WHERE expires IS NOT NULL AND ${OWN_QUEUES}`).run(ms, ns);
  store.sql(LIMIT_DELAYS).run(ns);
  store.sql(`UPDATE dead SET died_at = died_at + ? WHERE ${OWN_QUEUES}`).run(ms, ns);
  const scopes = 'SELECT id FROM queue WHERE ns=? UNION ALL SELECT -id FROM topic WHERE ns=?';
  store.sql(`UPDATE dedupe SET until = until + ? WHERE until > ? AND scope IN (${scopes})`).run(ms, stoppedAt, ns, ns);
  store.sql('UPDATE queue SET used_at = used_at + ? WHERE ns=?').run(ms, ns);
  store.sql('UPDATE kv SET expires = expires + ? WHERE expires IS NOT NULL AND ns=?').run(ms, ns);
}
