/** Makes dead letters. */

import type { AttemptRecord } from '@busbar/api/transport';
import type { Lane, Names } from '../connection/names.ts';
import type { Wire } from '../connection/wire.ts';
import type { Entry } from './ledger.ts';
import type { KnownQueue } from './queue-record.ts';
import { encode, readDirect, type StoredMessage } from './stored-message.ts';

const MAX_HISTORY = 20;

/** All ended attempts of a message, wherever they were. */
export function historyOf({ envelope }: Pick<StoredMessage, 'envelope'>, entry: Entry | undefined): AttemptRecord[] {
  const { attempts = 0, history = [] } = envelope.past ?? {};
  const own = entry?.history.map((record) => ({ ...record, attempt: record.attempt + attempts })) ?? [];
  return [...history, ...own].slice(-MAX_HISTORY).map(completeRecord);
}

/** JSON leaves out what is undefined. */
function completeRecord({ attempt, endedAt, outcome, reason, consumer }: AttemptRecord): AttemptRecord {
  return { attempt, endedAt, outcome, reason, consumer };
}

/** Puts a copy of a message among the dead letters of its queue. Done twice it is there once. */
export async function bury(
  wire: Wire,
  names: Names,
  queue: KnownQueue,
  stored: StoredMessage,
  { attempts, history, reason }: { attempts: number; history: readonly AttemptRecord[]; reason: string },
): Promise<void> {
  const { inc, settings } = queue.record;
  const { dueAt: _, readyAt: __, ...envelope } = stored.envelope;
  const dead = { reason, at: Date.now() };
  const { data, headers } = encode(stored.message, { ...envelope, inc, past: { attempts, history }, dead });
  const keep = settings.deadTtlMs === Number.POSITIVE_INFINITY ? {} : ttlHeader(settings.deadTtlMs);
  const id = { 'Nats-Msg-Id': `${inc}.x${stored.seq}` };
  await wire.publish(names.lane(queue.name, 'dead'), data, { ...headers, ...id, ...keep });
}

/** The server keeps whole seconds, and never less than was asked for. */
export function ttlHeader(ms: number): { 'Nats-TTL': string } {
  return { 'Nats-TTL': `${Math.ceil(ms / 1000) + 1}s` };
}

/** The message of a queue at a sequence; undefined where it is gone. */
export async function readAt(wire: Wire, names: Names, seq: number): Promise<StoredMessage | undefined> {
  const found = await wire.one(names.queues, { seq });
  return found && readDirect(found);
}

/** The lane that a message belongs to. */
export function laneOf(subject: string, names: Names): Lane {
  return subject.slice(names.prefix.length + 3).split('.', 1)[0] as Lane;
}
