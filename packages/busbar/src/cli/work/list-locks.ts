/** Lists the locks and the slots of semaphores that are held. */

import type { KvEntry } from '@busbar/api/transport';
import { parseObject } from '../mail/mailbox.ts';
import type { Session } from '../session.ts';

/** A lock or a slot, and its holder. */
export interface ListedLock {
  readonly name: string;
  readonly kind: 'lock' | 'semaphore';
  readonly owner: string;
  readonly pid: number | undefined;
  readonly host: string | undefined;
  /** When it was taken, in milliseconds since 1970 by the clock of its holder. */
  readonly since: number;
  readonly token: number;
  readonly leaseLeftMs: number | undefined;
}

const PREFIXES = { lock: '$lock/', semaphore: '$sem/' } as const;

/** All locks and slots that are held, in order of name. */
export async function listLocks(session: Session): Promise<ListedLock[]> {
  const [locks, slots] = await Promise.all([list('lock', session), list('semaphore', session)]);
  return [...locks, ...slots];
}

async function list(kind: ListedLock['kind'], session: Session): Promise<ListedLock[]> {
  const { kv } = await session.transport();
  const found: ListedLock[] = [];
  for (let after: string | undefined; ; ) {
    const page = await kv.list(PREFIXES[kind], { ...session.call, after });
    found.push(...page.map((entry) => toListed(kind, entry)));
    after = page.at(-1)?.key;
    if (after === undefined) return found;
  }
}

function toListed(kind: ListedLock['kind'], { key, value, createRevision, ttlLeftMs }: KvEntry): ListedLock {
  const { owner, pid, host, since } = parseObject(value) ?? {};
  const name = key.slice(PREFIXES[kind].length);
  return {
    // Each slot of a semaphore has an entry.
    name: kind === 'lock' ? name : name.slice(0, name.lastIndexOf('/')),
    kind,
    owner: typeof owner === 'string' ? owner : 'unknown',
    pid: typeof pid === 'number' ? pid : undefined,
    host: typeof host === 'string' ? host : undefined,
    since: typeof since === 'number' && Math.abs(since) < 8.64e15 ? since : 0,
    token: createRevision,
    leaseLeftMs: ttlLeftMs === undefined ? undefined : Math.round(ttlLeftMs),
  };
}
