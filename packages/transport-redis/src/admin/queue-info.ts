/** A queue at one moment, as the server tells it. */

import type { QueueInfo } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import { SCRIPTS } from '../lua/scripts.ts';

/** Those of the queues that are there. */
export async function readInfo(link: Link, names: readonly string[], deadline: number): Promise<QueueInfo[]> {
  const rows = (await link.run(SCRIPTS.info, names, { deadline, repeat: true })) as Buffer[][];
  return rows.map((row) => toInfo(row.map(String)));
}

function toInfo([name = '', ...fields]: readonly string[]): QueueInfo {
  const at = (index: number): number => Number(fields[index]);
  const orNever = (index: number): number => (at(index) < 0 ? Number.POSITIVE_INFINITY : at(index));
  return {
    name,
    settings: {
      leaseMs: at(0),
      maxLength: at(1),
      maxAttempts: at(2),
      dedupeMs: at(3),
      expireIdleMs: orNever(4),
      frozen: at(5) === 1,
      deadTtlMs: orNever(6),
    },
    ready: at(7),
    delayed: at(8),
    leased: at(9),
    dead: at(10),
    oldestAgeMs: at(11) / 1000,
    totals: { sent: at(12), done: at(13), dead: at(14), expired: at(15) },
  };
}
