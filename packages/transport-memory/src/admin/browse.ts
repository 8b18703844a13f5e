/** Pages through the messages of a queue without leasing them. */

import type { BrowseFilter } from '@busbar/api/driver';
import { type BrowsePage, invalid, type MessageState, quote } from '@busbar/api/transport';
import type { Queue } from '../queues/queue.ts';
import type { StoredMessage } from '../queues/stored-message.ts';

const STATES: readonly MessageState[] = ['leased', 'ready', 'delayed', 'dead'];

/** The sort key of a message on a page: by state, then in order of delivery. */
type Rank = readonly [state: number, first: number, second: number];

/** A page of the messages of `queue`. */
export function browse(queue: Queue | undefined, { state, ids, limit, after }: BrowseFilter): BrowsePage {
  const from = after === undefined ? undefined : parseRank(after);
  if (queue === undefined) return { messages: [], next: undefined };
  const wanted = ids && new Set(ids);
  const states = state === undefined ? STATES : [state];
  const all = states.flatMap((one) => inState(queue, one)).filter(({ message }) => wanted?.has(message.id) ?? true);
  const left = from === undefined ? all : all.filter((item) => compareRank(rankOf(item), from) > 0);
  const page = left.slice(0, limit);
  const last = page.at(-1);
  const next = page.length < left.length && last !== undefined ? rankOf(last).join(':') : undefined;
  return { messages: page.map((item) => item.toBrowsed()), next };
}

/** The messages of one state in order of delivery; dead letters oldest first. */
export function inState(queue: Queue, state: MessageState): StoredMessage[] {
  if (state === 'dead') return [...queue.dead];
  const items = [...queue.live].filter((item) => item.state === state);
  return items.sort((one, other) => compareRank(rankOf(one), rankOf(other)));
}

function rankOf({ state, message, due, order }: StoredMessage): Rank {
  const first = state === 'ready' ? -message.priority : state === 'dead' ? 0 : due.at;
  return [STATES.indexOf(state), first, order];
}

function compareRank(one: Rank, other: Rank): number {
  return one[0] - other[0] || one[1] - other[1] || one[2] - other[2];
}

/** A page ends at a rank, not at a message, so the next page works after the message is gone. */
function parseRank(after: string): Rank {
  const [state = Number.NaN, first = Number.NaN, second = Number.NaN, ...more] = after.split(':').map(Number);
  if (more.length === 0 && Number.isFinite(state + first + second)) return [state, first, second];
  throw invalid(`illegal after ${quote(after)}`, 'Use `next` of an earlier page.');
}
