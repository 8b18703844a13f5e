/** Lists queues, topics and bindings for operators. */

import type { PageQuery, QueueFilter } from '@busbar/api/driver';
import type { Binding, QueueInfo, TopicInfo } from '@busbar/api/transport';
import { IS_LEASED } from '../connection/schema.ts';
import { prefixEnd } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { QueueRow } from '../queues/queue-row.ts';

/** The queues that match a filter, sorted by name. */
export function listQueues(tx: Transaction, filter: QueueFilter): QueueInfo[] {
  const infos: QueueInfo[] = [];
  for (const name of queueNames(tx, filter)) {
    const queue = tx.queue(name);
    if (queue !== undefined) infos.push(toInfo(tx, queue));
  }
  return infos;
}

/** The topics with events or bindings, sorted by name. A pattern without wildcards is a topic, even without events. */
export function listTopics(tx: Transaction, page: PageQuery): TopicInfo[] {
  return tx
    .sql<[string, number]>(
      `SELECT name, sum(events) FROM (
         SELECT name, events FROM topic WHERE ns=? AND events > 0
         UNION ALL SELECT pattern, 0 FROM binding WHERE ns=? AND pattern NOT LIKE '%*%' AND pattern NOT LIKE '%>%'
       ) WHERE name > ? GROUP BY name ORDER BY name LIMIT ?`,
    )
    .all(tx.ns, tx.ns, page.after ?? '', page.limit)
    .map(([name, events]) => ({ name, events }));
}

/** All bindings, sorted by queue and pattern. */
export function listBindings(tx: Transaction): Binding[] {
  return tx
    .sql<[string, string]>(
      'SELECT queue.name, pattern FROM binding JOIN queue ON queue.id = queue_id WHERE binding.ns=? ORDER BY queue.name, pattern',
    )
    .all(tx.ns)
    .map(([queue, pattern]) => ({ queue, pattern }));
}

function queueNames(tx: Transaction, filter: QueueFilter): string[] {
  const { names, prefix, limit, after } = filter;
  if (names !== undefined) {
    const matching = names.filter((name) => name.startsWith(prefix) && name > (after ?? ''));
    return [...new Set(matching)].sort().slice(0, limit);
  }
  return tx
    .sql<[string]>(
      'SELECT name FROM queue WHERE ns=? AND name>=? AND name<CAST(? AS TEXT) AND name>? ORDER BY name LIMIT ?',
    )
    .all(tx.ns, prefix, prefixEnd(prefix), after ?? '', limit)
    .map(([name]) => name);
}

/** The counts as of now. They include due work that the scheduler has not done yet. */
export function toInfo(tx: Transaction, queue: QueueRow): QueueInfo {
  const count = (text: string): number => tx.value(text, queue.id, tx.now) as number;
  const expired = countExpired(tx, queue);
  const due = queue.delayed > 0 ? count('SELECT count(*) FROM delayed WHERE queue_id=? AND due<=?') : 0;
  const ended = queue.leased > 0 ? count('SELECT total(last - seq + 1) FROM leased WHERE queue_id=? AND until<=?') : 0;
  const held =
    queue.blocked > 0
      ? count('SELECT count(*) FROM blocked JOIN message USING (seq) WHERE blocked.queue_id=? AND at>?')
      : 0;
  return {
    name: queue.name,
    settings: { ...queue.settings },
    ready: queue.ready + due + ended + queue.blocked - held - expired.ready,
    delayed: queue.delayed - due + held - expired.delayed,
    leased: queue.leased - ended,
    dead: queue.dead,
    oldestAgeMs: oldestAge(tx, queue),
    totals: {
      sent: queue.totalSent,
      done: queue.totalDone,
      dead: queue.totalDead,
      expired: queue.totalExpired + expired.ready + expired.delayed,
    },
  };
}

/** Expired messages that are not pruned yet. */
function countExpired({ store, now }: Transaction, queue: QueueRow): { ready: number; delayed: number } {
  const rows = store
    .sql<[number, number]>(
      `SELECT at > ?, count(*) FROM message WHERE expires IS NOT NULL AND expires<=? AND queue_id=?
       AND NOT ${IS_LEASED} GROUP BY 1`,
    )
    .all(now, now, queue.id);
  const counts = new Map(rows);
  return { ready: counts.get(0) ?? 0, delayed: counts.get(1) ?? 0 };
}

function oldestAge(tx: Transaction, queue: QueueRow): number {
  if (queue.ready === 0) return 0;
  let oldest = tx.now;
  for (let rank = 0; rank <= 9; rank += 1) {
    const at = tx.value('SELECT at FROM ready WHERE queue_id=? AND rank=? ORDER BY at LIMIT 1', queue.id, rank);
    if (typeof at === 'number' && at < oldest) oldest = at;
  }
  return tx.now - oldest;
}
