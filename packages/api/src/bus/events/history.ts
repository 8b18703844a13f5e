/** History: the events that are there now, from some point on, to the present end. */

import { invalid } from '../../contract/errors.ts';
import type { CallOptions, From, Transport } from '../../contract/transport.ts';
import { checkInteger, checkOptions, checkSignal } from '../../contract/validation.ts';
import { type ReceivedMessage, toReadable } from '../consuming/received.ts';
import type { TopicDefinition } from '../messages/definitions.ts';
import { toBounds } from '../messages/message-options.ts';
import { validate } from '../messages/schema.ts';
import type { BusKernel } from '../runtime.ts';
import { EventReader } from './event-reader.ts';
import { type TopicPlan, toPatternPlan } from './events.ts';
import { checkFrom } from './subscriptions.ts';

/** Which part of the history to read. */
export interface HistoryOptions extends CallOptions {
  /** Where to begin. Default `start`: with the oldest that is kept. */
  readonly from?: Exclude<From, 'new'> | undefined;
  /** How many events at most, 1 or more. Default: all. */
  readonly limit?: number | undefined;
}

/**
 * Reads the events that match `pattern` and are there now, in order, and ends. A body that cannot be decoded is its bytes.
 * Where positions do not compare, the end is taken for reached after 300 ms without an event.
 */
export function readHistory(
  kernel: BusKernel,
  topic: string | TopicDefinition,
  options: HistoryOptions = {},
): AsyncGenerator<ReceivedMessage, void, void> {
  kernel.assertOpen();
  const plan = toPatternPlan(topic);
  checkOptions(options, ['from', 'limit', 'timeoutMs', 'signal'], 'history options');
  checkFrom(options.from);
  checkInteger(options.limit, 'limit', { min: 1, max: Number.MAX_SAFE_INTEGER });
  checkSignal(options.signal);
  if ((options.from as From) === 'new') throw invalid("history cannot begin at 'new'", 'Use subscribe for what comes.');
  return read(kernel, plan, options);
}

async function* read(
  { transport, bodies }: BusKernel,
  { topic: pattern, schema }: TopicPlan,
  options: HistoryOptions,
): AsyncGenerator<ReceivedMessage, void, void> {
  const { from = 'start', limit = Number.POSITIVE_INFINITY } = options;
  const end = await presentEnd(transport, pattern, toBounds(options));
  await using reader = await EventReader.open(transport, pattern, from, { ...options, end });
  for (let left = limit; left > 0; left -= 1) {
    const event = await reader.next();
    if (event === undefined) return;
    const received = toReadable(bodies, event);
    if (schema === undefined) yield received;
    else yield { ...received, body: await validate(schema, received.body, `event ${event.id} of ${event.topic}`) };
  }
}

/** The position behind the last event there is; undefined where positions do not say which is the later. */
async function presentEnd(transport: Transport, pattern: string, bounds: CallOptions): Promise<string | undefined> {
  if (!transport.capabilities.features.comparablePositions) return undefined;
  await using probe = await transport.topics.subscribe(pattern, { from: 'new', ...bounds }, () => undefined);
  return probe.position;
}
