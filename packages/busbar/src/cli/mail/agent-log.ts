/** The log of an agent in a shell: one entry for all commands of the agent, beside those of its programs. */

import type { LogLine } from '@busbar/api';
import { BusbarError, type KvEntry, type Transport } from '@busbar/api/transport';
import { parseObject } from './mailbox.ts';

const MAX_LINES = 100;
const MAX_BYTES = 60_000;
/** How long a log is kept after its last line. */
const KEPT_MS = 86_400_000;
const MAX_TRIES = 20;

/** The prefix of the entries of an agent's log. */
export function logPrefix(agent: string): string {
  return `$log/${agent}/`;
}

/** Adds a line to the log of an agent. */
export async function addLine({ kv }: Transport, agent: string, line: LogLine): Promise<void> {
  const key = `${logPrefix(agent)}shell`;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const entry = await kv.get(key);
    const value = encode([...(entry === undefined ? [] : readLines(entry)), line]);
    const { status } = await kv.put(key, value, { ttlMs: KEPT_MS, ifRevision: entry?.revision ?? 0 });
    if (status === 'stored') return;
  }
  throw new BusbarError('CONFLICT', `too many processes write to the log of ${agent}`, { hint: 'Repeat the command.' });
}

/** The lines of an entry. */
export function readLines({ value }: KvEntry): LogLine[] {
  const { lines } = parseObject(value) ?? {};
  return Array.isArray(lines) ? (lines as LogLine[]) : [];
}

/** The latest lines that fit into an entry. */
function encode(lines: readonly LogLine[]): Uint8Array {
  for (let kept = lines.slice(-MAX_LINES); ; kept = kept.slice(Math.ceil(kept.length / 4))) {
    const value = new TextEncoder().encode(JSON.stringify({ lines: kept }));
    if (value.byteLength <= MAX_BYTES) return value;
  }
}
