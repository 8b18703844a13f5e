/** Ids that a queue or a topic knows: so that none is stored twice, and a message is found by its id. */

import type { Transaction } from '../connection/transaction.ts';

/** What became of something that came in. */
export type InsertStatus = 'stored' | 'duplicate' | 'failed';

/** What comes in under its ids: numbered from `first` on, in the order of `ids`. */
export interface Incoming {
  /** The id of a queue, or minus the id of a topic. */
  readonly scope: number;
  readonly ids: readonly string[];
  readonly first: number;
  /** How long the ids are remembered. */
  readonly windowMs: number;
}

/** Rows of one statement. */
const CHUNK = 16;
/** Ids that one sweep looks at, about. */
const STEP = 500;
/** When to look again whether a message that outlived its dedupe window is still there. */
const KEPT_LOOK_MS = 600_000;
/** Rows of one millisecond in the table of what to forget when. */
const PLANS_PER_MS = 4096;

const INSERT = 'INSERT INTO dedupe (scope, id, until, seq) VALUES ';
const UNLESS_KNOWN = ' ON CONFLICT (scope, id) DO UPDATE SET until=excluded.until, seq=excluded.seq WHERE until <= ?';
const INSERT_MANY = INSERT + Array(CHUNK).fill('(?,?,?,?)').join(',') + UNLESS_KNOWN;
const INSERT_ONE = `${INSERT}(?,?,?,?)${UNLESS_KNOWN}`;

/** Notes all ids; those within their window are duplicates. */
export function remember(transaction: Transaction, incoming: Incoming): InsertStatus[] {
  const { store, now } = transaction;
  const { scope, ids, first, windowMs } = incoming;
  const until = Math.ceil(now + windowMs);
  let changes = 0;
  for (let index = 0; index < ids.length; ) {
    const count = ids.length - index >= CHUNK ? CHUNK : 1;
    const parameters: unknown[] = [];
    for (let row = index; row < index + count; row += 1) parameters.push(scope, ids[row], until, first + row);
    parameters.push(now);
    changes += store.sql(count === 1 ? INSERT_ONE : INSERT_MANY).run(parameters).changes;
    index += count;
  }
  planSweep(transaction, scope, ids, until);
  const statuses = new Array<InsertStatus>(ids.length).fill('stored');
  if (changes === ids.length) return statuses;
  for (const [row, id] of ids.entries()) {
    if (knownSeq(transaction, scope, id) !== first + row) statuses[row] = 'duplicate';
  }
  return statuses;
}

/** The same where there is room for some only: an id that does not fit is not noted, so that it can be sent again. */
export function rememberSome(transaction: Transaction, incoming: Incoming, room: number): InsertStatus[] {
  const { store, now } = transaction;
  const { scope, ids, first, windowMs } = incoming;
  const until = Math.ceil(now + windowMs);
  const isKnown = store.sql('SELECT 1 FROM dedupe WHERE scope=? AND id=? AND until > ?');
  const noted: string[] = [];
  const statuses = ids.map((id, row): InsertStatus => {
    if (isKnown.get(scope, id, now) !== undefined) return 'duplicate';
    if (noted.length >= room) return 'failed';
    store.sql(INSERT_ONE).run(scope, id, until, first + row, now);
    noted.push(id);
    return 'stored';
  });
  if (noted.length > 0) planSweep(transaction, scope, noted, until);
  return statuses;
}

/** Notes where things are found by their ids that came in other than by a send: no window begins or ends by it. */
export function note(transaction: Transaction, incoming: Omit<Incoming, 'windowMs'>): void {
  const { scope, ids, first } = incoming;
  const insert = transaction.store.sql(`${INSERT}(?,?,0,?) ON CONFLICT (scope, id) DO UPDATE SET seq=excluded.seq`);
  for (const [row, id] of ids.entries()) insert.run(scope, id, first + row);
  planSweep(transaction, scope, ids, transaction.now + KEPT_LOOK_MS);
}

/** Takes over how long an id is remembered elsewhere. False when it is known here. */
export function adopt(transaction: Transaction, scope: number, id: string, leftMs: number): boolean {
  const { store, now } = transaction;
  const until = Math.ceil(now + leftMs);
  const { changes } = store
    .sql(`${INSERT}(?,?,?,0) ON CONFLICT (scope, id) DO UPDATE SET until=excluded.until WHERE until <= ?`)
    .run(scope, id, until, now);
  if (changes > 0) planSweep(transaction, scope, [id], until);
  return changes > 0;
}

/** The number under which a scope knows an id, within the window or while the message is there. */
export function knownSeq(transaction: Transaction, scope: number, id: string): number | undefined {
  return transaction.store.value('SELECT seq FROM dedupe WHERE scope=? AND id=?', scope, id) as number | undefined;
}

/** Forgets a step of what is over. An id is kept as long as its message. True when there is more. */
export function sweepDedupe(transaction: Transaction): boolean {
  const { store, now } = transaction;
  const plans = store.sql<[number, number, string]>(
    'SELECT n, scope, ids FROM dedupe_sweep WHERE n<? ORDER BY n LIMIT 1',
  );
  let looked = 0;
  const end = now * PLANS_PER_MS;
  for (let plan = plans.get(end); plan !== undefined && looked < STEP; plan = plans.get(end)) {
    const [n, scope, text] = plan;
    const ids = JSON.parse(text) as string[];
    const kept = ids.filter((id) => !forget(transaction, scope, id));
    store.sql('DELETE FROM dedupe_sweep WHERE n=?').run(n);
    if (kept.length > 0) planSweep(transaction, scope, kept, now + KEPT_LOOK_MS);
    looked += ids.length;
  }
  transaction.work += looked;
  return looked >= STEP;
}

/** Forgets a step of a scope. How many ids these were. */
export function forgetScope(transaction: Transaction, scope: number): number {
  return transaction.store
    .sql(`DELETE FROM dedupe WHERE scope=? AND id IN (SELECT id FROM dedupe WHERE scope=? LIMIT ${STEP})`)
    .run(scope, scope).changes;
}

/**
 * When to forget is noted once for what came in together: an index on the time would take 0.15 of the time of a send.
 */
function planSweep(transaction: Transaction, scope: number, ids: readonly string[], at: number): void {
  const first = Math.ceil(at) * PLANS_PER_MS;
  transaction.store
    .sql(
      'INSERT INTO dedupe_sweep (n, scope, ids) SELECT coalesce(max(n) + 1, ?), ?, ? FROM dedupe_sweep WHERE n BETWEEN ? AND ?',
    )
    .run(first, scope, JSON.stringify(ids), first, first + PLANS_PER_MS - 2);
}

/** False when the id has still to be known. Known by a later message it is that one's. */
function forget({ store, now }: Transaction, scope: number, id: string): boolean {
  const row = store.sql<[number, number]>('SELECT until, seq FROM dedupe WHERE scope=? AND id=?').get(scope, id);
  if (row === undefined || row[0] > now) return true;
  if (store.value('SELECT 1 FROM job WHERE seq=? AND queue_id=? AND id=?', row[1], scope, id) !== undefined)
    return false;
  store.sql('DELETE FROM dedupe WHERE scope=? AND id=?').run(scope, id);
  return true;
}
