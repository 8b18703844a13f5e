/** The presence of an agent that is driven from a shell: it is online while it waits, and while it works on what it took. */

import { hostname } from 'node:os';
import type { Transport } from '@busbar/api/transport';

/** How long a sign of life counts. */
const TTL_MS = 10_000;
const BEATS_PER_TTL = 3;
/** All commands of one agent are one instance: each renews what the one before left. */
const INSTANCE = 'shell';

/** One sign of life of `agent`: it is online for `ttlMs`, free, or busy with one message. */
export async function announce(
  transport: Transport,
  agent: string,
  isBusy = false,
  ttlMs: number = TTL_MS,
): Promise<void> {
  const { entries } = transport;
  const identity = await entries.get(`$agent/${agent}`);
  const { capabilities = [] } = identity === undefined ? {} : readObject(identity.value);
  const presence = {
    instance: INSTANCE,
    pid: process.pid,
    host: hostname(),
    capabilities,
    load: isBusy ? 1 : 0,
    limit: 1,
  };
  const value = new TextEncoder().encode(JSON.stringify({ ...presence, since: Date.now(), requests: {} }));
  await entries.put(keyOf(agent), value, { ttlMs: Math.max(TTL_MS, ttlMs) });
}

/** Keeps `agent` online while `work` runs. */
export async function whileOnline<T>(transport: Transport, agent: string, work: () => Promise<T>): Promise<T> {
  await announce(transport, agent);
  const timer = setInterval(() => {
    // A beat that is missed is made up for by the next.
    announce(transport, agent).catch(() => undefined);
  }, TTL_MS / BEATS_PER_TTL);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

function keyOf(agent: string): string {
  return `$live/${agent}/${INSTANCE}`;
}

function readObject(value: Uint8Array): { capabilities?: unknown } {
  try {
    return JSON.parse(new TextDecoder().decode(value)) as { capabilities?: unknown };
  } catch {
    return {};
  }
}
