/** Reads the messages of a queue page by page, without leasing them. */

import type { BrowseFilter } from '@busbar/api/driver';
import { type BrowsedMessage, type BrowsePage, invalid, type MessageState, quote } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { BROWSE, FIND_MESSAGES } from '../lua/inspect.ts';
import {
  type DeliveryRules,
  keyOf,
  parseAttempts,
  parseRules,
  splitStored,
  toMessage,
} from '../queues/stored-message.ts';

const STATES: readonly MessageState[] = ['leased', 'ready', 'delayed', 'dead'];
const LEASE_INFO = /^\d+ \d+ (\d+) \S* (.*)$/s;

/** state, key, score, message, attempts, lease info, dead reason, end of life */
type MessageRow = readonly Buffer[];

/** A message, with what only an export needs. */
export interface FoundMessage {
  readonly browsed: BrowsedMessage;
  readonly rules: DeliveryRules;
  /** By which the server stores it. */
  readonly key: string;
  readonly position: string;
}

/** `next` is where the following page begins. `at`: what is left is counted from this time of the server. */
export interface FoundPage {
  readonly found: readonly FoundMessage[];
  readonly next: string | undefined;
  readonly at: number | undefined;
}

/** The bounds of a search. Without `at` what is left is counted from the present. */
interface FindBounds {
  readonly deadline: number;
  readonly at?: number | undefined;
}

export async function browse(
  client: ReconnectingClient,
  queue: string,
  filter: BrowseFilter,
  deadline: number,
): Promise<BrowsePage> {
  const { found, next } = await findMessages(client, queue, filter, { deadline });
  return { messages: found.map(({ browsed }) => browsed), next };
}

export async function findMessages(
  client: ReconnectingClient,
  queue: string,
  filter: BrowseFilter,
  bounds: FindBounds,
): Promise<FoundPage> {
  const from = filter.after === undefined ? undefined : parsePosition(filter.after);
  if (filter.ids !== undefined) return findByIds(client, queue, filter, bounds);
  const states = filter.state === undefined ? STATES : [filter.state];
  const found: FoundMessage[] = [];
  let { at } = bounds;
  for (const state of states.slice(Math.max(0, from === undefined ? 0 : states.indexOf(from.state)))) {
    let { score, key } = from?.state === state ? from : { score: '-inf', key: '' };
    while (found.length <= filter.limit) {
      const args = [queue, state, filter.limit + 1 - found.length, score, key];
      const reply = await client.run(BROWSE, args, { deadline: bounds.deadline, repeat: true });
      const [now, ...rows] = reply as [Buffer, ...MessageRow[]];
      at ??= Number(now);
      if (rows.length === 0) break;
      for (const row of rows) found.push(toFoundMessage(row, at));
      ({ score, key } = parsePosition(found.at(-1)?.position ?? ''));
    }
  }
  return { ...toPage(found, filter.limit), at };
}

async function findByIds(
  client: ReconnectingClient,
  queue: string,
  { ids = [], state, limit, after }: BrowseFilter,
  bounds: FindBounds,
): Promise<FoundPage> {
  const found = (await findByKeys(client, queue, new Set(ids.map(keyOf)), bounds))
    .filter(({ browsed }) => state === undefined || browsed.state === state)
    .sort((one, other) => comparePositions(one.position, other.position))
    .filter(({ position }) => after === undefined || comparePositions(position, after) > 0);
  return { ...toPage(found, limit), at: bounds.at };
}

/** The messages with these keys, and those with other keys and the same ids. */
export async function findByKeys(
  client: ReconnectingClient,
  queue: string,
  keys: ReadonlySet<string>,
  { deadline, at }: FindBounds,
): Promise<FoundMessage[]> {
  const reply = await client.run(FIND_MESSAGES, [queue, ...keys], { deadline, repeat: true });
  const [now, ...rows] = reply as [Buffer, ...MessageRow[]];
  return rows.map((row) => toFoundMessage(row, at ?? Number(now)));
}

function toPage(all: readonly FoundMessage[], limit: number): Pick<FoundPage, 'found' | 'next'> {
  const found = all.slice(0, limit);
  return { found, next: all.length > found.length ? found.at(-1)?.position : undefined };
}

function toFoundMessage(row: MessageRow, now: number): FoundMessage {
  const textOf = (index: number): string => (row[index]?.length ? String(row[index]) : '');
  const [state, key, score] = [textOf(0) as MessageState, textOf(1), textOf(2)];
  const [attemptsText, lease, deadReason, endsAt] = [textOf(4), textOf(5), textOf(6), textOf(7)];
  const [envelope, body] = splitStored(row[3] as Buffer);
  const [, leasedLifeEndsAt = '0', consumer = ''] = LEASE_INFO.exec(lease) ?? [];
  const { attempts, history } = parseAttempts(attemptsText);
  const [, diedAt = '', reason = ''] = /^(\d+) (.*)$/s.exec(deadReason) ?? [];
  const isLeased = state === 'leased';
  const leftMs = (us: string | undefined): number => Math.max(0, Number(us) - now) / 1000;
  const lifeEndsAt = isLeased ? leasedLifeEndsAt : endsAt || '0';
  return {
    browsed: {
      message: toMessage(key, envelope, body),
      state,
      attempts: attempts + (isLeased ? 1 : 0) || (state === 'dead' ? history.length : 0),
      delayLeftMs: state === 'delayed' ? leftMs(score) : undefined,
      leaseLeftMs: isLeased ? leftMs(score) : undefined,
      consumer: consumer === '' ? undefined : consumer,
      ttlLeftMs: lifeEndsAt === '0' ? undefined : leftMs(lifeEndsAt),
      history,
      dead: state === 'dead' ? { reason, at: Number(diedAt) } : undefined,
    },
    rules: parseRules(envelope),
    key,
    position: `${state}:${score}:${key}`,
  };
}

interface BrowsePosition {
  readonly state: MessageState;
  readonly score: string;
  readonly key: string;
}

/** A page ends at a position rather than a message, so the next page finds its start even if that message is gone. */
function parsePosition(after: string): BrowsePosition {
  const [, state, score = '', key = ''] = /^(leased|ready|delayed|dead):(\d+):(.+)$/s.exec(after) ?? [];
  if (state !== undefined) return { state: state as MessageState, score, key };
  throw invalid(`illegal after ${quote(after)}`, 'Use the next of an earlier page.');
}

function comparePositions(one: string, other: string): number {
  const [first, second] = [parsePosition(one), parsePosition(other)];
  return (
    STATES.indexOf(first.state) - STATES.indexOf(second.state) ||
    Number(first.score) - Number(second.score) ||
    (first.key < second.key ? -1 : first.key > second.key ? 1 : 0)
  );
}
