/** Known ids of queues and topics: they prevent duplicates, and find a message by its id. */

import { Insertion } from '../connection/rows.ts';
import type { Transaction } from '../connection/transaction.ts';

/** The result of inserting one message. */
export type InsertStatus = 'stored' | 'duplicate' | 'failed';

/** Ids of messages with consecutive numbers from `first`, in order. */
export interface IdBatch {
  /** The id of a queue, or the negative id of a topic. */
  readonly scope: number;
  readonly ids: readonly string[];
  readonly first: number;
  /** The dedupe window. */
  readonly windowMs: number;
}

/** Ids of one step, approximately. */
const STEP = 500;
/** How long the id of a message that outlives its dedupe window is kept until the next check. */
const RECHECK_MS = 600_000;
/** Imported ids that expire within this time share a row of `dedupe_expiry`. */
const TOGETHER_MS = 1000;
/** Rows of `dedupe_expiry` per millisecond. More of them go to later milliseconds: the clock of a closed store stands still. */
const ROWS_PER_MS = 4096;
/** When a millisecond is full, a row goes behind the last one of this many times longer, and so on. */
const WIDER = 1000;

const COLUMNS = 'scope, id, until, seq';
const CONFLICT = 'ON CONFLICT (scope, id) DO UPDATE SET';
/** Negative: earlier messages with this id may exist too. Only a scan of the queue finds them. */
const SEQ = `seq=CASE WHEN dedupe.seq < 0
    OR EXISTS (SELECT 1 FROM message WHERE message.seq=dedupe.seq AND queue_id=scope AND message.id=dedupe.id)
  THEN -excluded.seq ELSE excluded.seq END`;
const RECORD = new Insertion('dedupe', COLUMNS, `${CONFLICT} until=excluded.until, ${SEQ} WHERE until <= ?`);
const INDEX = new Insertion('dedupe', COLUMNS, `${CONFLICT} ${SEQ}`);
const SCAN = `
  SELECT message.seq FROM ready CROSS JOIN message ON message.seq BETWEEN ready.seq AND ready.last
    WHERE ready.queue_id=@queue AND message.id=@id
  UNION SELECT message.seq FROM leased CROSS JOIN message ON message.seq BETWEEN leased.seq AND leased.last
    WHERE leased.queue_id=@queue AND message.id=@id
  UNION SELECT seq FROM delayed CROSS JOIN message USING (seq) WHERE delayed.queue_id=@queue AND message.id=@id
  UNION SELECT seq FROM blocked CROSS JOIN message USING (seq) WHERE blocked.queue_id=@queue AND message.id=@id`;
const IMPORT = new Insertion('dedupe', COLUMNS, `${CONFLICT} until=excluded.until WHERE until <= ?`);

/** Records all ids. Those within their window are duplicates. */
export function recordIds(tx: Transaction, batch: IdBatch): InsertStatus[] {
  const { scope, ids, first, windowMs } = batch;
  const until = Math.ceil(tx.now + windowMs);
  const changes = RECORD.run(tx, ids, (values, id, row) => values.push(scope, id, until, first + row), tx.now);
  scheduleExpiry(tx, scope, ids, until);
  const statuses = new Array<InsertStatus>(ids.length).fill('stored');
  if (changes === ids.length) return statuses;
  for (const [row, id] of ids.entries()) {
    if (findSeq(tx, scope, id) !== first + row) statuses[row] = 'duplicate';
  }
  return statuses;
}

/** Records ids as far as `room` allows. The others fail and are not recorded, so that they can be sent again. */
export function recordIdsUpTo(tx: Transaction, batch: IdBatch, room: number): InsertStatus[] {
  const { now } = tx;
  const { scope, ids, first, windowMs } = batch;
  const until = Math.ceil(now + windowMs);
  const isKnown = tx.sql('SELECT 1 FROM dedupe WHERE scope=? AND id=? AND until > ?');
  const recorded: string[] = [];
  const statuses = ids.map((id, row): InsertStatus => {
    if (isKnown.get(scope, id, now) !== undefined) return 'duplicate';
    if (recorded.length >= room) return 'failed';
    RECORD.run(tx, [id], (values) => values.push(scope, id, until, first + row), now);
    recorded.push(id);
    return 'stored';
  });
  if (recorded.length > 0) scheduleExpiry(tx, scope, recorded, until);
  return statuses;
}

/** Records under which number a message is found that was not sent. Dedupe windows do not change. */
export function indexIds(tx: Transaction, batch: Omit<IdBatch, 'windowMs'>, expiries?: IdExpiries): void {
  const { scope, ids, first } = batch;
  INDEX.run(tx, ids, (values, id, row) => values.push(scope, id, 0, first + row));
  const at = tx.now + RECHECK_MS;
  if (expiries === undefined) scheduleExpiry(tx, scope, ids, at);
  else expiries.add(scope, ids, at);
}

/** Records an imported id with the rest of its window. Returns false if it is known. */
export function importId(
  tx: Transaction,
  { scope, id, leftMs }: { readonly scope: number; readonly id: string; readonly leftMs: number },
  expiries: IdExpiries,
): boolean {
  const until = Math.ceil(tx.now + leftMs);
  const isNew = IMPORT.run(tx, [id], (values) => values.push(scope, id, until, 0), tx.now) > 0;
  if (isNew) expiries.add(scope, [id], until);
  return isNew;
}

/** Collects imported ids: a row for each to schedule its expiry took a third of the time of an import. */
export class IdExpiries {
  readonly #ids = new Map<string, { readonly scope: number; readonly ids: string[]; readonly at: number }>();

  /** Those of a scope that expire within the same second expire together. */
  add(scope: number, ids: readonly string[], at: number): void {
    const end = Math.ceil(at / TOGETHER_MS) * TOGETHER_MS;
    const name = `${scope} ${end}`;
    const known = this.#ids.get(name);
    if (known === undefined) this.#ids.set(name, { scope, ids: [...ids], at: end });
    else known.ids.push(...ids);
  }

  /** Schedules the expiry of all. */
  schedule(tx: Transaction): void {
    for (const { scope, ids, at } of this.#ids.values()) scheduleExpiry(tx, scope, ids, at);
    this.#ids.clear();
  }
}

/** The number of the newest message or event with this id, within the dedupe window or while the message exists. */
export function findSeq(tx: Transaction, scope: number, id: string): number | undefined {
  return tx.value('SELECT abs(seq) FROM dedupe WHERE scope=? AND id=?', scope, id) as number | undefined;
}

/**
 * The numbers of the messages of a queue with this id, dead letters excepted. An id is several times in a queue that is
 * bound to topics with events of one id, or when it was sent again after its window.
 */
export function findSeqs(tx: Transaction, queueId: number, id: string): number[] {
  const seq = tx.value('SELECT seq FROM dedupe WHERE scope=? AND id=?', queueId, id) as number | undefined;
  if (seq === undefined) return [];
  if (seq >= 0) return hasMessage(tx, queueId, id, seq) ? [seq] : [];
  const rows = tx.sql<[number]>(SCAN).all({ queue: queueId, id });
  return rows.map(([one]) => one);
}

/** Whether the dedupe window of this id is open. */
export function isWithinWindow(tx: Transaction, scope: number, id: string): boolean {
  return tx.exists('SELECT 1 FROM dedupe WHERE scope=? AND id=? AND until > ?', scope, id, tx.now);
}

/** Whether message `seq` exists in the queue and has this id. */
function hasMessage(tx: Transaction, queueId: number, id: string, seq: number): boolean {
  return tx.exists('SELECT 1 FROM message WHERE seq=? AND queue_id=? AND id=?', seq, queueId, id);
}

/** Prunes a step of ids past their window whose message is gone. Returns true when there are more. */
export function pruneDedupe(tx: Transaction): boolean {
  const expiries = tx.sql<[number, number, string]>(
    'SELECT n, scope, ids FROM dedupe_expiry WHERE n<? ORDER BY n LIMIT 1',
  );
  let checked = 0;
  const end = tx.now * ROWS_PER_MS;
  for (let expiry = expiries.get(end); expiry !== undefined && checked < STEP; expiry = expiries.get(end)) {
    const [n, scope, text] = expiry;
    const ids = JSON.parse(text) as string[];
    const kept = Map.groupBy(ids, (id) => expireId(tx, scope, id));
    tx.sql('DELETE FROM dedupe_expiry WHERE n=?').run(n);
    for (const [at, some] of kept) if (at !== undefined) scheduleExpiry(tx, scope, some, at);
    checked += ids.length;
  }
  tx.rowCount += checked;
  return checked >= STEP;
}

/** Deletes a step of the ids of a scope, of messages up to `upTo`. Returns their number. */
export function deleteScope(tx: Transaction, scope: number, upTo: number = Number.MAX_SAFE_INTEGER): number {
  return tx
    .sql(`DELETE FROM dedupe WHERE scope=? AND id IN (SELECT id FROM dedupe WHERE scope=? AND seq<=? LIMIT ${STEP})`)
    .run(scope, scope, upTo).changes;
}

/**
 * One row schedules the expiry of all ids recorded together: an index on the time would take 0.15 of the time of a send.
 */
function scheduleExpiry(tx: Transaction, scope: number, ids: readonly string[], at: number): void {
  const insertion = tx.sql(
    `INSERT INTO dedupe_expiry (n, scope, ids)
      SELECT coalesce((SELECT n + 1 FROM dedupe_expiry WHERE n BETWEEN @first AND @last ORDER BY n DESC LIMIT 1), @first), @scope, @ids
      WHERE NOT EXISTS (SELECT 1 FROM dedupe_expiry WHERE n=@last)`,
  );
  const row = { scope, ids: JSON.stringify(ids) };
  const first = Math.ceil(at) * ROWS_PER_MS;
  let rows = ROWS_PER_MS;
  while (insertion.run({ ...row, first, last: first + rows - 1 }).changes === 0) rows *= WIDER;
}

/**
 * Deletes an id unless its window or its message still exists. Returns when to look again: its window may have become longer
 * while the clock of the namespace stood still.
 */
function expireId(tx: Transaction, scope: number, id: string): number | undefined {
  const row = tx.sql<[number, number]>('SELECT until, seq FROM dedupe WHERE scope=? AND id=?').get(scope, id);
  if (row === undefined) return undefined;
  const [until, seq] = row;
  if (until > tx.now) return until;
  if (seq < 0 ? findSeqs(tx, scope, id).length > 0 : hasMessage(tx, scope, id, seq)) return tx.now + RECHECK_MS;
  tx.sql('DELETE FROM dedupe WHERE scope=? AND id=?').run(scope, id);
  return undefined;
}
