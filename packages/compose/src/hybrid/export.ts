/** Export and import of both sides as one state. */

import type { CallContext } from '@busbar/api/driver';
import type { StateRecord } from '@busbar/api/transport';
import { boundsOf, own, ownError } from '../inner/calls.ts';
import type { Routes, SideName } from './routes.ts';
import type { Sides } from './sides.ts';

const BOTH: readonly SideName[] = ['durable', 'fast'];

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

/** A queue with the settings of the side on which it lives. */
async function asWhereItLives(
  sides: Sides,
  routes: Routes,
  record: Extract<StateRecord, { kind: 'queue' }>,
  { signal }: CallContext,
): Promise<StateRecord> {
  const { admin } = sides.of(routes.ofQueue(record.name)).transport;
  const [main] = routes.isShared(record.name) ? await admin.queues({ names: [record.name], signal }) : [];
  return main === undefined ? record : { ...record, settings: main.settings };
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
    const some = routed.flatMap(({ record, names }) => (names.includes(name) ? [record] : []));
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
