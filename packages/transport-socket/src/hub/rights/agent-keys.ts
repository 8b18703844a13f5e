/** The keys that belong to one agent: identity, presence, log, what its hooks told, and the locks that it holds. */

import type { KvEntry } from '@busbar/api/transport';

const READABLE = ['$agent/', '$live/', '$log/', '$hook/', '$lock/', '$sem/', '$task/'];
const LOCKS = /^\$(lock|sem)\//;
const encoder = new TextEncoder();

/** Whether an agent may read all keys that begin with `prefix`. */
export function isReadablePrefix(prefix: unknown): boolean {
  return READABLE.some((each) => String(prefix).startsWith(each));
}

/** Whether `key` is the agent's own, or the record of a task, which any worker writes. An identity names its agent. */
export function isOwnKey(key: unknown, agent: string, value?: Uint8Array): boolean {
  const text = String(key);
  if (text === `$agent/${agent}`) return value === undefined || readJson(value)?.['name'] === agent;
  const prefix = [`$live/${agent}/`, `$log/${agent}/`, `$hook/${agent}/`].find((each) => text.startsWith(each));
  // Names of agents may contain slashes, instances do not.
  return (prefix !== undefined && !text.slice(prefix.length).includes('/')) || isTaskKey(key);
}

/** Whether `key` is the record of a task. */
export function isTaskKey(key: unknown): boolean {
  return String(key).startsWith('$task/');
}

/** Whether `key` is a lock or a slot of a semaphore. */
export function isLockKey(key: unknown): boolean {
  return LOCKS.test(String(key));
}

/** The value of a lock with the agent that holds it; undefined if the value is not a JSON object. */
export function stampHolder(value: Uint8Array, agent: string): Uint8Array | undefined {
  const holder = readJson(value);
  return holder && encoder.encode(JSON.stringify({ ...holder, agent }));
}

/** Whether the agent took the lock. */
export function isOwnLock({ value }: KvEntry, agent: string): boolean {
  return readJson(value)?.['agent'] === agent;
}

function readJson(value: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(value).toString('utf8'));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
