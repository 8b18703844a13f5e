/** The topics of both sides: the history of each is on one of them. */

import { type CallContext, type PreparedMessage, passOn, type TopicDriver } from '@busbar/api/driver';
import type { From, PublishResult } from '@busbar/api/transport';
import { boundsOf, own, ownResults, timeoutOf } from '../../inner/calls.ts';
import { withFallback } from '../queues/queues.ts';
import type { Routes } from '../routes.ts';
import { type HybridSide, tag } from '../side.ts';
import type { Sides } from '../sides.ts';
import { HybridEventCursor } from './event-cursor.ts';
import { startsOf } from './starts.ts';

export function openTopics(sides: Sides, routes: Routes): TopicDriver {
  return {
    publish: async (topic, messages, ephemeral, context) => {
      const publishing = { topic, ephemeral, context };
      const isFast = ephemeral || routes.ofTopic(topic) === 'fast';
      if (!isFast) return own(publishIn(sides, sides.durable, messages, publishing));
      return own(withFallback(sides, messages, (side, some) => publishIn(sides, side, some, publishing)));
    },
    async open(pattern, from, context) {
      const hasFastHistory = routes.reachesFastTopics(pattern);
      const starts = await startsOf(sides, from, { hasFastHistory, context });
      return HybridEventCursor.open(sides, { pattern, ...starts, hasFastHistory }, context);
    },
    bind: (queue, pattern, from, context) =>
      bind(sides, routes.reachesFastTopics(pattern), { queue, pattern, from, context }),
    async unbind(queue, pattern, context) {
      await own(sides.durable.transport.topics.unbind(queue, pattern, boundsOf(context)));
      if (!routes.reachesFastTopics(pattern)) return;
      const about = bindingOf(queue, pattern);
      await own(sides.declare(about, context, ({ topics }, bounds) => topics.unbind(queue, pattern, bounds)));
    },
  };
}

/** What {@link publishIn} publishes. */
interface Publishing {
  readonly topic: string;
  readonly ephemeral: boolean;
  readonly context: CallContext;
}

async function publishIn(
  sides: Sides,
  use: HybridSide,
  messages: readonly PreparedMessage[],
  { topic, ephemeral, context }: Publishing,
): Promise<PublishResult[]> {
  const options = { ephemeral, timeoutMs: timeoutOf(context) };
  const results = await use.transport.topics.publish(topic, passOn(messages), options);
  return ownResults(sides.counted(use, results)).map((result) =>
    result.position === undefined ? result : { ...result, position: tag(use.side, result.position) },
  );
}

interface BindingRequest {
  readonly queue: string;
  readonly pattern: string;
  readonly from: From;
  readonly context: CallContext;
}

/** The queue of a durable subscription is on each side whose topics its pattern can match. An outage brings all to the durable one. */
async function bind(sides: Sides, reachesFast: boolean, binding: BindingRequest): Promise<void> {
  const { queue, pattern, from, context } = binding;
  const starts = await startsOf(sides, from, { hasFastHistory: reachesFast, context });
  const durable = { from: starts.durable, ...boundsOf(context) };
  await own(sides.durable.transport.topics.bind(queue, pattern, durable));
  if (!reachesFast) return;
  const askedAt = Date.now();
  await own(
    sides.declare(bindingOf(queue, pattern), context, ({ topics }, bounds) => {
      const isLate = starts.fast === 'new' && !sides.isFastUp;
      return topics.bind(queue, pattern, { from: isLate ? { time: askedAt } : starts.fast, ...bounds });
    }),
  );
}

function bindingOf(queue: string, pattern: string): string {
  return `binding ${queue} ${pattern}`;
}
