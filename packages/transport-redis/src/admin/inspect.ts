/** Lists queues with their counts, and topics. */

import type { PageQuery, QueueFilter } from '@busbar/api/driver';
import { hasWildcard, type QueueInfo, type TopicInfo } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { chunksOf, lexRange } from '../lua/arguments.ts';
import { QUEUE_INFO, QUEUE_NAMES, TOPIC_COUNTS } from '../lua/inspect.ts';
import type { BindingCache } from '../topics/bindings.ts';

/** Queues of one script. */
const QUEUES = 50;

export async function listQueues(
  client: ReconnectingClient,
  filter: QueueFilter,
  deadline: number,
): Promise<QueueInfo[]> {
  const infos: QueueInfo[] = [];
  let { after } = filter;
  for (let isMore = true; isMore && infos.length < filter.limit; ) {
    const names = await namesOf(client, { ...filter, after, limit: filter.limit - infos.length }, deadline);
    infos.push(...(await readQueueInfo(client, names, deadline)));
    isMore = filter.names === undefined && names.length > 0;
    after = names.at(-1);
  }
  return infos;
}

/** Names of queues in byte order. */
export async function listQueueNames(
  client: ReconnectingClient,
  prefix: string,
  { limit, after }: PageQuery,
  deadline: number,
): Promise<string[]> {
  const args = [...lexRange(prefix, after), limit];
  return ((await client.run(QUEUE_NAMES, args, { deadline, repeat: true })) as Buffer[]).map(String);
}

/** The known ones of the named queues. */
export async function readQueueInfo(
  client: ReconnectingClient,
  names: readonly string[],
  deadline: number,
): Promise<QueueInfo[]> {
  const infos: QueueInfo[] = [];
  for (const some of chunksOf(names, QUEUES)) {
    const rows = (await client.run(QUEUE_INFO, some, { deadline, repeat: true })) as Buffer[][];
    infos.push(...rows.map((row) => toQueueInfo(row.map(String))));
  }
  return infos;
}

/** Topics that have events or a binding without wildcards. */
export async function listTopics(
  client: ReconnectingClient,
  bindings: BindingCache,
  { limit, after }: PageQuery,
  deadline: number,
): Promise<TopicInfo[]> {
  const events = new Map<string, number>();
  for (const { pattern } of await bindings.all(deadline)) if (!hasWildcard(pattern)) events.set(pattern, 0);
  const fields = (await client.run(TOPIC_COUNTS, [], { deadline, repeat: true })) as Buffer[];
  for (let at = 0; at + 1 < fields.length; at += 2) events.set(String(fields[at]), Number(fields[at + 1]));
  const names = [...events.keys()].filter((name) => after === undefined || name > after).sort();
  return names.slice(0, limit).map((name) => ({ name, events: events.get(name) ?? 0 }));
}

async function namesOf(client: ReconnectingClient, filter: QueueFilter, deadline: number): Promise<string[]> {
  const { names, prefix, limit, after } = filter;
  if (names === undefined) return listQueueNames(client, prefix, filter, deadline);
  const matching = names.filter((name) => name.startsWith(prefix) && name > (after ?? ''));
  return [...new Set(matching)].sort().slice(0, limit);
}

/** The order of the fields is that of the script. */
function toQueueInfo([name = '', ...fields]: readonly string[]): QueueInfo {
  const at = (index: number): number => Number(fields[index]);
  const durationAt = (index: number): number => (at(index) < 0 ? Number.POSITIVE_INFINITY : at(index));
  return {
    name,
    settings: {
      leaseMs: at(0),
      maxLength: at(1),
      maxAttempts: at(2),
      dedupeMs: at(3),
      expireIdleMs: durationAt(4),
      frozen: at(5) === 1,
      paused: at(16) === 1,
      deadTtlMs: durationAt(6),
    },
    ready: at(7),
    delayed: at(8),
    leased: at(9),
    dead: at(10),
    oldestAgeMs: at(11) / 1000,
    totals: { sent: at(12), done: at(13), dead: at(14), expired: at(15) },
  };
}
