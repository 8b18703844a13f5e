/** Looking at the messages of a queue, page by page, without leasing them. */

import type { BrowseFilter } from '@busbar/api/driver';
import { type BrowsedMessage, type BrowsePage, invalid, type MessageState, quote } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import { SCRIPTS } from '../lua/scripts.ts';
import { keyOf, readRules, readTries, toMessage } from '../queues/stored-message.ts';

const STATES: readonly MessageState[] = ['leased', 'ready', 'delayed', 'dead'];
const LEASE = /^\d+ \d+ (\d+) \S* (.*)$/s;

/** state, key, score, head, body, tries, lease, grave, end of the time to live. */
type Row = readonly Buffer[];

/** A message with what only an export shows. */
export interface Found {
  readonly browsed: BrowsedMessage;
  readonly maxAttempts: number | undefined;
  readonly place: string;
}

/** One page. `next` is where the one after it begins. */
export interface FoundPage {
  readonly found: readonly Found[];
  readonly next: string | undefined;
}

export async function browse(link: Link, queue: string, filter: BrowseFilter, deadline: number): Promise<BrowsePage> {
  const { found, next } = await find(link, queue, filter, deadline);
  return { messages: found.map(({ browsed }) => browsed), next };
}

/** The same with what an export needs. */
export async function find(link: Link, queue: string, filter: BrowseFilter, deadline: number): Promise<FoundPage> {
  const from = filter.after === undefined ? undefined : parsePlace(filter.after);
  if (filter.ids !== undefined) return lookUp(link, queue, filter, deadline);
  const states = filter.state === undefined ? STATES : [filter.state];
  const found: Found[] = [];
  for (const state of states.slice(Math.max(0, from === undefined ? 0 : states.indexOf(from.state)))) {
    let { score, key } = from?.state === state ? from : { score: '-inf', key: '' };
    while (found.length <= filter.limit) {
      const args = [queue, state, filter.limit + 1 - found.length, score, key];
      const [now, ...rows] = (await link.run(SCRIPTS.browse, args, { deadline, repeat: true })) as [Buffer, ...Row[]];
      if (rows.length === 0) break;
      for (const row of rows) found.push(toFound(row, Number(now)));
      ({ score, key } = parsePlace(found.at(-1)?.place ?? ''));
    }
  }
  const page = found.slice(0, filter.limit);
  return { found: page, next: found.length > page.length ? page.at(-1)?.place : undefined };
}

async function lookUp(link: Link, queue: string, filter: BrowseFilter, deadline: number): Promise<FoundPage> {
  const { ids = [], state, limit, after } = filter;
  const keys = [...new Set(ids.map(keyOf))];
  const [now, ...rows] = (await link.run(SCRIPTS.lookUp, [queue, ...keys], { deadline, repeat: true })) as [
    Buffer,
    ...Row[],
  ];
  const all = rows
    .map((row) => toFound(row, Number(now)))
    .filter(({ browsed }) => state === undefined || browsed.state === state)
    .sort((one, other) => comparePlaces(one.place, other.place))
    .filter(({ place }) => after === undefined || comparePlaces(place, after) > 0);
  const page = all.slice(0, limit);
  return { found: page, next: all.length > page.length ? page.at(-1)?.place : undefined };
}

function toFound(row: Row, now: number): Found {
  const [state, key, score, head, , tries, lease, grave, end] = row.map(String) as [MessageState, ...string[]];
  const [, expires = '0', consumer = ''] = LEASE.exec(lease ?? '') ?? [];
  const { attempts, history } = readTries(tries ?? '');
  const [, at = '', reason = ''] = /^(\d+) (.*)$/s.exec(grave ?? '') ?? [];
  const isLeased = state === 'leased';
  const left = (us: string | undefined): number => Math.max(0, Number(us) - now) / 1000;
  const ends = isLeased ? expires : end || '0';
  const rules = readRules(head ?? '');
  return {
    browsed: {
      message: toMessage(key ?? '', head ?? '', row[4] as Buffer),
      state,
      attempts: attempts + (isLeased ? 1 : 0) || (state === 'dead' ? history.length : 0),
      delayLeftMs: state === 'delayed' ? left(score) : undefined,
      leaseLeftMs: isLeased ? left(score) : undefined,
      consumer: consumer === '' ? undefined : consumer,
      ttlLeftMs: ends === '0' ? undefined : left(ends),
      history,
      dead: state === 'dead' ? { reason, at: Number(at) } : undefined,
    },
    maxAttempts: rules.maxAttempts,
    place: `${state}:${score}:${key}`,
  };
}

interface Place {
  readonly state: MessageState;
  readonly score: string;
  readonly key: string;
}

/** A place, not a message, is what a page ends at: the next one goes on behind it though the message be gone. */
function parsePlace(after: string): Place {
  const [, state, score = '', key = ''] = /^(leased|ready|delayed|dead):(\d+):(.+)$/s.exec(after) ?? [];
  if (state !== undefined) return { state: state as MessageState, score, key };
  throw invalid(`illegal after ${quote(after)}`, 'Use the next of an earlier page.');
}

function comparePlaces(one: string, other: string): number {
  const [first, second] = [parsePlace(one), parsePlace(other)];
  return (
    STATES.indexOf(first.state) - STATES.indexOf(second.state) ||
    Number(first.score) - Number(second.score) ||
    (first.key < second.key ? -1 : first.key > second.key ? 1 : 0)
  );
}
