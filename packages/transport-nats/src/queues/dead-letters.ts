/** Stores dead letters, which end by `Nats-TTL`. */

import type { AttemptRecord } from '@busbar/api/transport';
import type { Lane, Names } from '../connection/names.ts';
import type { ServerRequests } from '../connection/server-requests.ts';
import { isDenied } from '../errors.ts';
import type { Entry } from './ledger.ts';
import { pullStored } from './pull-stored.ts';
import type { QueueContext } from './queue-context.ts';
import type { KnownQueue } from './queue-record.ts';
import { encode, readDirect, readPulled, type StoredMessage } from './stored-message.ts';

const MAX_HISTORY = 20;

/** Where a message is. */
interface Place {
  readonly queue: string;
  readonly lane: Lane;
  readonly seq: number;
}

/** The attempts of a message, those before it came to this queue included. */
export function attemptsOf({ envelope }: Pick<StoredMessage, 'envelope'>, entry: Entry | undefined): number {
  return (envelope.past?.attempts ?? 0) + (entry?.attempts ?? 0);
}

/** When a message is due: after a retry or a change by an operator as the ledger has it. */
export function dueAtOf({ envelope }: Pick<StoredMessage, 'envelope'>, entry: Entry | undefined): number {
  return entry?.dueAt || (envelope.dueAt ?? 0);
}

/** All ended attempts of a message, those in other queues and stores included. */
export function historyOf({ envelope }: Pick<StoredMessage, 'envelope'>, entry: Entry | undefined): AttemptRecord[] {
  const { attempts = 0, history = [] } = envelope.past ?? {};
  const own = entry?.history.map((record) => ({ ...record, attempt: record.attempt + attempts })) ?? [];
  return [...history, ...own].slice(-MAX_HISTORY).map(completeRecord);
}

/** All attempts of a message without a holder: its last lease has ended. */
export function endedHistory(stored: Pick<StoredMessage, 'envelope'>, entry: Entry | undefined): AttemptRecord[] {
  const history = historyOf(stored, entry);
  const { end, by: consumer } = entry?.lease ?? {};
  if (end === undefined) return history;
  const attempt = attemptsOf(stored, entry);
  const last = { attempt, endedAt: Math.round(end), outcome: 'expired', reason: undefined, consumer } as const;
  return [...history, last].slice(-MAX_HISTORY);
}

/** The record with all its fields: JSON leaves out undefined ones. */
function completeRecord({ attempt, endedAt, outcome, reason, consumer }: AttemptRecord): AttemptRecord {
  return { attempt, endedAt, outcome, reason, consumer };
}

/** Copies a message to the dead letters of its queue. A repetition stores nothing. */
export async function storeDeadLetter(
  { requests, names, clock }: QueueContext,
  queue: KnownQueue,
  stored: StoredMessage,
  { attempts, history, reason }: { attempts: number; history: readonly AttemptRecord[]; reason: string },
): Promise<void> {
  const { inc, settings } = queue.record;
  const { dueAt: _, readyAt: __, ...envelope } = stored.envelope;
  const dead = { reason, at: Math.round(clock.middle) };
  const { data, headers } = encode(stored.message, { ...envelope, inc, past: { attempts, history }, dead });
  const keep = settings.deadTtlMs === Number.POSITIVE_INFINITY ? {} : ttlHeader(settings.deadTtlMs);
  const id = { 'Nats-Msg-Id': `${inc}.x${stored.seq}` };
  await requests.publish(names.lane(queue.name, 'dead'), data, { ...headers, ...id, ...keep });
}

/** The server keeps whole seconds. The header is never shorter than `ms`. */
export function ttlHeader(ms: number): { 'Nats-TTL': string } {
  return { 'Nats-TTL': `${Math.ceil(ms / 1000) + 1}s` };
}

/** The message of a lane at a sequence. Undefined if it was deleted. */
export async function readAt(shared: QueueContext, { queue, lane, seq }: Place): Promise<StoredMessage | undefined> {
  const { requests, names } = shared;
  try {
    const found = await getAt(requests, names, seq);
    // In a store that lost writes the sequence may belong to a message of another queue.
    return found?.subject === names.lane(queue, lane) ? found : undefined;
  } catch (error) {
    if (!isDenied(error)) throw error;
  }
  for await (const [message] of pullStored(shared, names.lane(queue, lane), seq)) {
    const stored = message && readPulled(message);
    return stored?.seq === seq ? stored : undefined;
  }
  return undefined;
}

async function getAt(
  requests: ServerRequests,
  names: Names,
  seq: number,
): Promise<ReturnType<typeof readDirect> | undefined> {
  let found = await requests.reader.one(names.queues, { seq });
  if (found === undefined && requests.connection.isClustered) {
    await requests.reader.catchUp(names.queues);
    found = await requests.reader.one(names.queues, { seq });
  }
  return found && readDirect(found);
}

/** The lane that a message belongs to. */
export function laneOf(subject: string, names: Names): Lane {
  return subject.slice(names.prefix.length + 3).split('.', 1)[0] as Lane;
}
