/** The admin facet over both sides. Listings show what can be read: the durable side while the fast one is away. */

import type { AdminDriver, BrowseFilter, CallContext, QueueFilter } from '@busbar/api/driver';
import type { Binding, BrowsedMessage, BrowsePage, PendingResult, QueueInfo, TopicInfo } from '@busbar/api/transport';
import { boundsOf, own } from '../inner/calls.ts';
import { exportState, importState } from './export.ts';
import type { Routes } from './routes.ts';
import { type HybridSide, tag, untag } from './side.ts';
import type { Sides } from './sides.ts';

export function openAdmin(sides: Sides, routes: Routes): AdminDriver {
  return { ...openInspection(sides, routes), ...openChanges(sides, routes) };
}

type Inspection = Pick<AdminDriver, 'queues' | 'topics' | 'bindings' | 'browse' | 'exportState'>;

function openInspection(sides: Sides, routes: Routes): Inspection {
  return {
    queues: (filter, context) => listQueues(sides, routes, filter, context),
    async topics(page, context) {
      const listed = await own(
        sides.read(context, ({ transport }, bounds) => transport.admin.topics({ ...page, ...bounds })),
      );
      return merge(listed.flat(), addTopics).slice(0, page.limit);
    },
    async bindings(context) {
      const listed = await own(sides.read(context, ({ transport }, bounds) => transport.admin.bindings(bounds)));
      const keyed = listed
        .flat()
        .map((binding) => [JSON.stringify([binding.queue, binding.pattern]), binding] as const);
      return [...new Map<string, Binding>(keyed).values()];
    },
    browse: (queue, filter, context) => browse(browsed(sides, routes, queue), queue, filter, context),
    exportState: (context) => exportState(sides, routes, context),
  };
}

function openChanges(sides: Sides, routes: Routes): Omit<AdminDriver, keyof Inspection | 'gate' | 'setGate'> {
  const holding = (queue: string): readonly HybridSide[] =>
    routes.isShared(queue) ? [sides.durable, sides.fast] : [sides.durable];
  const sum = async (queue: string, change: (side: HybridSide['transport']) => Promise<number>): Promise<number> =>
    (await eachOf(holding(queue), change)).reduce((total, each) => total + each, 0);
  return {
    async redrive(queue, ids, limit, context) {
      let redriven = 0;
      for (const { transport } of holding(queue)) {
        const options = { ids, limit: limit - redriven, ...boundsOf(context) };
        if (redriven < limit) redriven += await own(transport.admin.redrive(queue, options));
      }
      return redriven;
    },
    purge: (queue, state, ids, context) =>
      sum(queue, ({ admin }) => admin.purge(queue, { state, ids, ...boundsOf(context) })),
    cancel: (queue, ids, context) =>
      pending(holding(queue), ids, ({ admin }, some) => admin.cancel(queue, some, boundsOf(context))),
    reschedule: (queue, ids, delayMs, context) =>
      pending(holding(queue), ids, ({ admin }, some) => admin.reschedule(queue, some, delayMs, boundsOf(context))),
    async deleteQueue(queue, context) {
      const existed = await eachOf(holding(queue), ({ admin }) => admin.deleteQueue(queue, boundsOf(context)));
      return existed.includes(true);
    },
    async clear(_gateRevision, context) {
      await eachOf([sides.durable, sides.fast], ({ admin }) => admin.clear(boundsOf(context)));
    },
    importState: (records, _gateRevision, context) => importState(sides, routes, records, context),
  };
}

async function eachOf<T>(
  sides: readonly HybridSide[],
  work: (transport: HybridSide['transport']) => Promise<T>,
): Promise<T[]> {
  return own(Promise.all(sides.map(({ transport }) => work(transport))));
}

/** Queues of both sides, each once: its settings are those of the side on which it lives. */
async function listQueues(
  sides: Sides,
  routes: Routes,
  filter: QueueFilter,
  context: CallContext,
): Promise<QueueInfo[]> {
  const listed = await own(
    sides.read(context, async ({ side, transport }, bounds) => {
      const infos = await transport.admin.queues({ ...filter, ...bounds });
      return infos.map((info) => ({ info, isMain: routes.ofQueue(info.name) === side }));
    }),
  );
  const all = listed.flat();
  all.sort((one, other) => Number(other.isMain) - Number(one.isMain));
  const infos = all.map(({ info }) => info);
  return merge(infos, addQueues).slice(0, filter.limit);
}

/** One item for each name, in order of name. */
function merge<T extends { readonly name: string }>(items: readonly T[], add: (one: T, other: T) => T): T[] {
  const merged = new Map<string, T>();
  for (const item of items) {
    const known = merged.get(item.name);
    merged.set(item.name, known === undefined ? item : add(known, item));
  }
  return [...merged.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

function addTopics(one: TopicInfo, other: TopicInfo): TopicInfo {
  return { ...one, events: one.events + other.events };
}

function addQueues(one: QueueInfo, other: QueueInfo): QueueInfo {
  const add = <K extends string>(a: Record<K, number>, b: Record<K, number>, keys: readonly K[]): Record<K, number> =>
    Object.fromEntries(keys.map((key) => [key, a[key] + b[key]])) as Record<K, number>;
  return {
    ...one,
    ...add(one, other, ['ready', 'delayed', 'leased', 'dead']),
    oldestAgeMs: Math.max(one.oldestAgeMs, other.oldestAgeMs),
    totals: add(one.totals, other.totals, ['sent', 'done', 'dead', 'expired']),
  };
}

/** The sides with messages of a queue, in the order of delivery as far as it is known: urgent ones are on the fast side. */
function browsed(sides: Sides, routes: Routes, queue: string): readonly HybridSide[] {
  if (!routes.isShared(queue) || !sides.isFastUp) return [sides.durable];
  return routes.ofQueue(queue) === 'durable' ? [sides.fast, sides.durable] : [sides.durable, sides.fast];
}

/** One side after the other: the page of a caller names its side. */
async function browse(
  sides: readonly HybridSide[],
  queue: string,
  { limit, after, ...filter }: BrowseFilter,
  context: CallContext,
): Promise<BrowsePage> {
  const place = after === undefined ? undefined : untag(after);
  const from = Math.max(
    0,
    sides.findIndex(({ side }) => side === place?.side),
  );
  const messages: BrowsedMessage[] = [];
  let inner = place === undefined || place.inner === BEGIN ? undefined : place.inner;
  for (const [index, side] of sides.entries()) {
    if (index < from) continue;
    if (messages.length >= limit) return { messages, next: tag(side.side, BEGIN) };
    const options = { ...filter, limit: limit - messages.length, after: inner, ...boundsOf(context) };
    const page = await own(side.transport.admin.browse(queue, options));
    messages.push(...page.messages);
    if (page.next !== undefined) return { messages, next: tag(side.side, page.next) };
    inner = undefined;
  }
  return { messages, next: undefined };
}

/** The page before the first message of a side. */
const BEGIN = '-';

/** Asks each side, since both can have a message with one id. */
async function pending(
  sides: readonly HybridSide[],
  ids: readonly string[],
  change: (transport: HybridSide['transport'], ids: readonly string[]) => Promise<PendingResult[]>,
): Promise<PendingResult[]> {
  const answers = (await eachOf(sides, (transport) => change(transport, ids))).map(
    (results) => new Map(results.map(({ id, status }) => [id, status])),
  );
  return ids.map((id) => {
    const statuses = answers.map((statusOf) => statusOf.get(id));
    return { id, status: (['done', 'started'] as const).find((one) => statuses.includes(one)) ?? 'not-found' };
  });
}
