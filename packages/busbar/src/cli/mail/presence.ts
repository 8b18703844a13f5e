/** Presence of an agent in a shell: it is online while a command waits for its mail. Others can address it 10 s longer. */

import { hostname } from 'node:os';
import type { AgentInfo } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { findIdentity, parseObject } from './mailbox.ts';

/** How long one heartbeat counts. */
const TTL_MS = 10_000;
const BEATS_PER_TTL = 3;
/** All commands of one agent are one instance: each one renews the same heartbeat. */
const INSTANCE = 'shell';

/** What a heartbeat says. */
export interface Heartbeat {
  /** The process that waits. Default: none, the command ends. */
  readonly pid?: number;
  readonly isBusy?: boolean;
  /** How long it counts. Default 10 s, which is also the least. */
  readonly ttlMs?: number;
}

/** Sends one heartbeat. */
export async function announce(
  transport: Transport,
  agent: string,
  { pid, isBusy = false, ttlMs = TTL_MS }: Heartbeat = {},
): Promise<void> {
  const { kv } = transport;
  const key = keyOf(agent);
  const [identity, before] = await Promise.all([findIdentity(agent, transport), kv.get(key)]);
  const { capabilities = [] } = identity ?? {};
  const known = before === undefined ? {} : (parseObject(before.value) ?? {});
  const host = hostname();
  const value = {
    ...{ instance: INSTANCE, host, pid: pid ?? otherProcess(known, host), capabilities },
    ...{ load: isBusy ? 1 : 0, limit: 1, since: known['since'] ?? Date.now(), requests: {} },
  };
  await kv.put(key, new TextEncoder().encode(JSON.stringify(value)), { ttlMs: Math.max(TTL_MS, ttlMs) });
}

/** Another command of this agent that still waits. */
function otherProcess({ host, pid }: Record<string, unknown>, here: string): number | undefined {
  if (host !== here || typeof pid !== 'number' || pid === process.pid) return undefined;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? pid : undefined;
  }
}

/** Whether a process stands behind an instance. Commands that have ended leave theirs behind for some seconds. */
export function hasProcess(instance: AgentInfo['instances'][number]): boolean {
  return instance.instance !== INSTANCE || instance.pid !== undefined;
}

/** Whether a command waits for the mail of an agent with these instances. */
export function waitsInShell(instances: AgentInfo['instances']): boolean {
  return instances.some(({ instance, pid }) => instance === INSTANCE && pid !== undefined);
}

/** Keeps `agent` online while `work` runs. */
export async function whileOnline<T>(transport: Transport, agent: string, work: () => Promise<T>): Promise<T> {
  await announce(transport, agent, { pid: process.pid });
  const timer = setInterval(() => {
    // The next heartbeat makes up for a failed one.
    renew(transport, agent).catch(() => undefined);
  }, TTL_MS / BEATS_PER_TTL);
  try {
    return await work();
  } catch (error) {
    // The error says what happened; the heartbeat ends by itself.
    await announce(transport, agent).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Extends the heartbeat; watchers see a change only if it had expired. */
async function renew(transport: Transport, agent: string): Promise<void> {
  const [result] = await transport.kv.touch([{ key: keyOf(agent), ttlMs: TTL_MS }]);
  if (result?.status === 'lost') await announce(transport, agent, { pid: process.pid });
}

function keyOf(agent: string): string {
  return `$live/${agent}/${INSTANCE}`;
}
