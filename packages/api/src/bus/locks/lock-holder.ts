/** Who holds a lock, as its entry says it. */

import { newId } from '../../contract/id.ts';
import type { KvEntry } from '../../contract/transport.ts';

/** Who holds a lock. */
export interface LockHolder {
  readonly owner: string;
  /** Its process, where it is known. */
  readonly pid: number | undefined;
  readonly host: string | undefined;
  /** Since when, in milliseconds since 1970 by the holder's clock. */
  readonly since: number;
  /** Its fencing token. */
  readonly token: number;
  /** When it would end if it were not renewed. */
  readonly ttlLeftMs: number | undefined;
}

/** Who asks for a lock. */
export type LockOwner = Pick<LockHolder, 'owner' | 'pid' | 'host'>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The value of an entry that `owner` holds: unlike any other, so that it is known again. */
export function encodeHolder({ owner, pid, host }: LockOwner): Uint8Array {
  return encoder.encode(JSON.stringify({ owner, pid, host, since: Date.now(), nonce: newId() }));
}

/** Who holds the entry. */
export function holderOf({ value, createRevision: token, ttlLeftMs }: KvEntry): LockHolder {
  const { owner, pid, host, since } = parse(value);
  return {
    owner: typeof owner === 'string' ? owner : 'unknown',
    pid: typeof pid === 'number' ? pid : undefined,
    host: typeof host === 'string' ? host : undefined,
    since: typeof since === 'number' ? since : 0,
    token,
    ttlLeftMs,
  };
}

function parse(value: Uint8Array): Partial<Record<string, unknown>> {
  try {
    return JSON.parse(decoder.decode(value)) as Partial<Record<string, unknown>>;
  } catch {
    return {};
  }
}
