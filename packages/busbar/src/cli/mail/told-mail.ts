/** What hooks have told the session of a coding agent, so that each message is told once and none is missed. */

import type { Transport } from '@busbar/api/transport';
import { inboxOf } from './mailbox.ts';

/** A session of a coding agent, whose hooks show the mail of `agent`. */
export interface HookSession {
  readonly agent: string;
  /** The id that the coding agent gives it. */
  readonly id: string;
}

/** How many messages a look compares. The session is told of others when these are gone. */
const MAX_IDS = 100;
/** How long a message is not told again. */
const TOLD_MS = 86_400_000;

/** The ids of the messages that wait. */
export async function readyIds(agent: string, { admin }: Transport): Promise<string[]> {
  const { messages } = await admin.browse(inboxOf(agent), { state: 'ready', limit: MAX_IDS });
  return messages.map(({ message }) => message.id);
}

/** The ids that the session was told of; undefined if it was told of none. */
export async function toldIds(session: HookSession, { kv }: Transport): Promise<ReadonlySet<unknown> | undefined> {
  const entry = await kv.get(keyOf(session));
  if (entry === undefined) return undefined;
  const ids = JSON.parse(new TextDecoder().decode(entry.value)) as unknown;
  return new Set(Array.isArray(ids) ? ids : []);
}

/** Records that the session was told of the messages that wait. */
export async function noteTold(session: HookSession, ids: readonly string[], { kv }: Transport): Promise<void> {
  await kv.put(keyOf(session), new TextEncoder().encode(JSON.stringify(ids)), { ttlMs: TOLD_MS });
}

/** Makes this process the waiter of the session. Resolves to a check of whether it still is: a later one takes its place. */
export async function becomeWaiter(
  session: HookSession,
  waitMs: number,
  { kv }: Transport,
): Promise<() => Promise<boolean>> {
  const key = `${keyOf(session)}.waiter`;
  const own = crypto.randomUUID();
  const ttlMs = Math.min(TOLD_MS, Math.max(1, Math.ceil(waitMs)) + TOLD_MS / 24);
  await kv.put(key, new TextEncoder().encode(own), { ttlMs });
  return async () => {
    const entry = await kv.get(key);
    return entry === undefined || new TextDecoder().decode(entry.value) === own;
  };
}

function keyOf({ agent, id }: HookSession): string {
  return `$hook/${agent}/${id.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 100) || 'session'}`;
}
