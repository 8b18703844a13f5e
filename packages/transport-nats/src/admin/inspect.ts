/** Lists queues with their counts, topics and bindings; browses messages. */

import type { BrowseFilter, PageQuery, QueueFilter } from '@busbar/api/driver';
import {
  type Binding,
  type BrowsePage,
  hasWildcard,
  invalid,
  type QueueInfo,
  quote,
  type TopicInfo,
} from '@busbar/api/transport';
import { streamInfo } from '../connection/streams.ts';
import type { KnownQueue } from '../queues/queue-record.ts';
import type { AdminContext } from './admin-context.ts';
import { leasedOf } from './leased-view.ts';
import { compareRanks, rankOf } from './queue-view.ts';

const AT_ONCE = 16;

export class Inspection {
  readonly #context: AdminContext;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  async queues({ names, prefix, limit, after }: QueueFilter): Promise<QueueInfo[]> {
    const known = await this.alive(names);
    const chosen = known.filter(({ name }) => name.startsWith(prefix) && (after === undefined || name > after));
    const infos: QueueInfo[] = [];
    for (let from = 0; from < Math.min(limit, chosen.length); from += AT_ONCE) {
      const part = chosen.slice(from, Math.min(limit, from + AT_ONCE));
      const views = await Promise.all(part.map((queue) => this.#context.views.view(queue, 'states')));
      infos.push(...views.map((view) => this.#context.views.info(view)));
    }
    return infos;
  }

  async topics({ limit, after }: PageQuery): Promise<TopicInfo[]> {
    const { requests, names, clock } = this.#context;
    const [info, bindings] = await Promise.all([
      streamInfo(requests, clock, names.topics, names.topic('>')),
      this.bindings(),
    ]);
    const counts = new Map<string, number>();
    for (const { pattern } of bindings) if (!hasWildcard(pattern)) counts.set(pattern, 0);
    for (const [subject, events] of Object.entries(info.state.subjects ?? {})) {
      counts.set(subject.slice(names.topic('').length), events);
    }
    const all = [...counts].map(([name, events]) => ({ name, events }));
    all.sort((one, other) => (one.name < other.name ? -1 : 1));
    return all.filter(({ name }) => after === undefined || name > after).slice(0, limit);
  }

  async bindings(): Promise<Binding[]> {
    const known = await this.alive();
    return known.flatMap(({ name, record }) => record.bindings.map(({ pattern }) => ({ queue: name, pattern })));
  }

  async browse(name: string, { state, ids, limit, after }: BrowseFilter): Promise<BrowsePage> {
    const from = after === undefined ? undefined : parseRank(after);
    const queue = await this.#context.records.read(name);
    if (queue === undefined) return { messages: [], next: undefined };
    const leased = state === 'leased' ? await leasedOf(this.#context, queue) : undefined;
    const all = leased ?? (await this.#context.views.view(queue)).all;
    const wanted = ids && new Set(ids);
    const matching = all.filter(
      (one) => (state === undefined || one.state === state) && (wanted?.has(one.stored.message.id) ?? true),
    );
    const left = from === undefined ? matching : matching.filter((one) => compareRanks(rankOf(one), from) > 0);
    const page = left.slice(0, limit);
    const last = page.at(-1);
    const next = page.length < left.length && last !== undefined ? rankOf(last).join(':') : undefined;
    return { messages: page.map((one) => this.#context.views.browsed(queue, one)), next };
  }

  /** The queues that are there, of these names or all. */
  async alive(queues?: readonly string[]): Promise<KnownQueue[]> {
    const { records } = this.#context;
    const all = await records.list(queues);
    for (const { name, record } of all) if (!records.isSeen(record)) records.idle.add(name);
    return all.filter(({ record }) => records.isSeen(record));
  }
}

/** A page ends at a rank, not at a message: the next page begins there even if the message was deleted. */
function parseRank(after: string): readonly number[] {
  const rank = after.split(':').map(Number);
  if (rank.length === 3 && rank.every(Number.isFinite)) return rank;
  throw invalid(`illegal after ${quote(after)}`, 'Use the next of an earlier page.');
}
