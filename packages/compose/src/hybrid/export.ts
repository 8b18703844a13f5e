/** Export and import of both sides as one state. */

import type { CallContext } from '@busbar/api/driver';
import type { QueueInfo, StateRecord } from '@busbar/api/transport';
import { boundsOf, own, ownError } from '../inner/calls.ts';
import type { Routes, SideName } from './routes.ts';
import type { HybridSide } from './side.ts';
import type { Sides } from './sides.ts';

const BOTH: readonly SideName[] = ['durable', 'fast'];
const NONE: QueueInfo['totals'] = { sent: 0, done: 0, dead: 0, expired: 0 };
const TOTALS = ['sent', 'done', 'dead', 'expired'] as const;

/** The records of both sides. What both have is exported once; keys are those of the durable side. */
export async function* exportState(sides: Sides, routes: Routes, context: CallContext): AsyncGenerator<StateRecord> {
  const { signal } = context;
  const seen = new Set<string>();
  try {
    for (const side of [sides.durable, sides.fast]) {
      for await (const record of side.transport.admin.exportState({ signal })) {
        if (side === sides.fast && (record.kind === 'kv' || record.kind === 'revision')) continue;
        const key = keyOf(routes, record);
        if (key !== undefined && seen.has(key)) continue;
        if (key !== undefined) seen.add(key);
        yield record.kind === 'queue' ? await asWhereItLives(sides, routes, record, context) : record;
      }
    }
  } catch (error) {
    throw ownError(error);
  }
}

/** A queue with the settings of the side on which it lives, and with the totals of both. */
async function asWhereItLives(
  sides: Sides,
  routes: Routes,
  record: Extract<StateRecord, { kind: 'queue' }>,
  { signal }: CallContext,
): Promise<StateRecord> {
  if (!routes.isShared(record.name)) return record;
  const infoOf = async (side: HybridSide): Promise<QueueInfo | undefined> =>
    (await side.transport.admin.queues({ names: [record.name], signal }))[0];
  const main = sides.of(routes.ofQueue(record.name));
  const other = main === sides.durable ? sides.fast : sides.durable;
  const [one, two] = await Promise.all([infoOf(main), infoOf(other)]);
  const totals = { ...(one?.totals ?? NONE) };
  for (const name of TOTALS) totals[name] += two?.totals[name] ?? 0;
  return { ...record, settings: one?.settings ?? record.settings, totals };
}

/** Imports each record where its messages go. Resolves with the number of new records: one on both sides counts once. */
export async function importState(
  sides: Sides,
  routes: Routes,
  records: readonly StateRecord[],
  context: CallContext,
): Promise<number> {
  const routed = records.map((record) => ({ record, names: placesOf(routes, record) }));
  const share = async (name: SideName): Promise<number> => {
    const some = routed.flatMap(({ record, names }) => {
      if (!names.includes(name)) return [];
      // The totals of a queue are the sum of both sides.
      return record.kind === 'queue' && name === 'fast' ? [{ ...record, totals: NONE }] : [record];
    });
    return some.length === 0 ? 0 : own(sides.of(name).transport.admin.importState(some, boundsOf(context)));
  };
  const [durable, fast] = await Promise.all([share('durable'), share('fast')]);
  const onBoth = routed.filter(({ names }) => names.length > 1).length;
  return durable + Math.max(0, fast - onBoth);
}

/** What identifies a record that both sides can have. */
function keyOf(routes: Routes, record: StateRecord): string | undefined {
  if (placesOf(routes, record).length < 2) return undefined;
  if (record.kind === 'queue') return JSON.stringify([record.name]);
  if (record.kind === 'binding') return JSON.stringify([record.queue, record.pattern]);
  return record.kind === 'dedupe' ? JSON.stringify([record.queue, record.id, '']) : undefined;
}

function placesOf(routes: Routes, record: StateRecord): readonly SideName[] {
  switch (record.kind) {
    case 'queue':
      return routes.isShared(record.name) ? BOTH : ['durable'];
    case 'dedupe':
      return routes.isShared(record.queue) ? BOTH : ['durable'];
    case 'binding':
      return routes.reachesFastTopics(record.pattern) ? BOTH : ['durable'];
    case 'message':
      return [routes.ofMessage(record.queue, record.message.message)];
    case 'event':
      return [routes.ofTopic(record.topic)];
    case 'kv':
      return ['durable'];
    case 'revision':
      return BOTH;
  }
}
