/** History: the events that are there now, from some point on, to the present end. */

import { checkInteger, checkOptions, checkSignal } from '../checks.ts';
import { invalid } from '../errors.ts';
import type { TopicEvent } from '../message.ts';
import { matchTopic } from '../names.ts';
import type { CallOptions, From, TopicInfo, Transport } from '../transport.ts';
import { EventReader } from './event-reader.ts';
import { toPatternPlan } from './events.ts';
import type { BusKernel } from './kernel.ts';
import { toBounds } from './message-options.ts';
import { type Received, toReadable } from './received.ts';
import { checkFrom } from './subscriptions.ts';

/** Which part of the history to read. */
export interface HistoryOptions extends CallOptions {
  /** Where to begin. Default `start`: with the oldest that is kept. */
  readonly from?: Exclude<From, 'new'>;
  /** How many events at most, 1 or more. Default: all. */
  readonly limit?: number;
}

/** What is known of the end of the history when reading begins. */
interface PresentEnd {
  /** The last position there was, where the transport says it. */
  readonly position: string | undefined;
  /** How many events there are to read, where that is known. */
  readonly events: number | undefined;
}

const PAGE = 1000;

/**
 * Reads the events that match `pattern` and are there now, in order, and ends. A body that cannot be decoded is its bytes.
 * Where the log cannot say that its end was reached, the end is taken for reached after 300 ms without an event.
 */
export function readHistory(
  kernel: BusKernel,
  pattern: string,
  options: HistoryOptions = {},
): AsyncGenerator<Received, void, void> {
  kernel.assertOpen();
  const { topic } = toPatternPlan(pattern);
  checkOptions(options, ['from', 'limit', 'timeoutMs', 'signal'], 'history options');
  checkFrom(options.from);
  checkInteger(options.limit, 'limit', { min: 1, max: Number.MAX_SAFE_INTEGER });
  checkSignal(options.signal);
  if ((options.from as From) === 'new') throw invalid("history cannot begin at 'new'", 'Use subscribe for what comes.');
  return read(kernel, topic, options);
}

async function* read(
  { transport, bodies }: BusKernel,
  pattern: string,
  options: HistoryOptions,
): AsyncGenerator<Received, void, void> {
  const { from = 'start', limit = Number.POSITIVE_INFINITY } = options;
  const end = await presentEnd(transport, pattern, from, toBounds(options));
  const isComparable = transport.capabilities.features.comparablePositions;
  let left = Math.min(limit, end.events ?? Number.POSITIVE_INFINITY);
  if (left === 0) return;
  await using reader = await EventReader.open(transport, pattern, from, options);
  for (;;) {
    const event = await reader.next();
    if (event === undefined || isBeyond(event, end, isComparable)) return;
    yield toReadable(bodies, event);
    left -= 1;
    if (left === 0 || event.position === end.position) return;
  }
}

async function presentEnd(transport: Transport, pattern: string, from: From, bounds: CallOptions): Promise<PresentEnd> {
  const probe = await transport.topics.subscribe(pattern, { from: 'new', ...bounds }, () => undefined);
  const { position } = probe;
  await probe.close();
  if (from !== 'start') return { position, events: undefined };
  let events = 0;
  let page: TopicInfo[];
  let after: string | undefined;
  do {
    page = await transport.admin.topics({ limit: PAGE, ...(after !== undefined && { after }), ...bounds });
    for (const topic of page) if (matchTopic(pattern, topic.name)) events += topic.events;
    after = page.at(-1)?.name;
  } while (page.length === PAGE);
  return { position, events };
}

/** Whether an event came after reading began. */
function isBeyond({ position }: TopicEvent, end: PresentEnd, isComparable: boolean): boolean {
  if (!isComparable || position === undefined || end.position === undefined) return false;
  return position > end.position;
}
