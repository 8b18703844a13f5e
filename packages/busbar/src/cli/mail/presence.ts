/** Presence of an agent in a shell: it is online while it waits in recv and while it holds a message. */

import { hostname } from 'node:os';
import type { Transport } from '@busbar/api/transport';
import { findIdentity, parseObject } from './mailbox.ts';

/** How long one heartbeat counts. */
const TTL_MS = 10_000;
const BEATS_PER_TTL = 3;
/** All commands of one agent are one instance: each one renews the same heartbeat. */
const INSTANCE = 'shell';

/** Sends one heartbeat: `agent` is online for `ttlMs`, idle or busy with one message. */
export async function announce(
  transport: Transport,
  agent: string,
  isBusy = false,
  ttlMs: number = TTL_MS,
): Promise<void> {
  const { kv } = transport;
  const key = keyOf(agent);
  const [identity, before] = await Promise.all([findIdentity(agent, transport), kv.get(key)]);
  const { capabilities = [] } = identity ?? {};
  const { since = Date.now() } = before === undefined ? {} : (parseObject(before.value) ?? {});
  const load = isBusy ? 1 : 0;
  const value = { instance: INSTANCE, host: hostname(), capabilities, load, limit: 1, since, requests: {} };
  await kv.put(key, new TextEncoder().encode(JSON.stringify(value)), { ttlMs: Math.max(TTL_MS, ttlMs) });
}

/** Keeps `agent` online while `work` runs. */
export async function whileOnline<T>(transport: Transport, agent: string, work: () => Promise<T>): Promise<T> {
  await announce(transport, agent);
  const timer = setInterval(() => {
    // The next heartbeat makes up for a failed one.
    renew(transport, agent).catch(() => undefined);
  }, TTL_MS / BEATS_PER_TTL);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Extends the heartbeat; watchers see a change only if it had expired. */
async function renew(transport: Transport, agent: string): Promise<void> {
  const [result] = await transport.kv.touch([{ key: keyOf(agent), ttlMs: TTL_MS }]);
  if (result?.status === 'lost') await announce(transport, agent);
}

function keyOf(agent: string): string {
  return `$live/${agent}/${INSTANCE}`;
}
