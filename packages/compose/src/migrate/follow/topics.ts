/** The topics of the store that carries the bus. */

import { type CallContext, type EventCursor, positionExpired, type TopicDriver } from '@busbar/api/driver';
import { type From, isBusbarError } from '@busbar/api/transport';
import { boundsOf, ownError } from '../../inner/calls.ts';
import type { MigrateCalls } from './calls.ts';
import { MigrateEventCursor } from './event-cursor.ts';
import { sendAll } from './queues.ts';
import { Carrier, untag } from './side.ts';

/** A place in one of the two stores. */
interface Place {
  readonly carrier: Carrier;
  readonly from: From;
}

export function openTopics(calls: MigrateCalls): TopicDriver {
  return {
    publish: async (topic, messages, ephemeral, context) =>
      sendAll(calls, messages, context, async (carrier, inputs) => {
        const options = { ephemeral, ...boundsOf(context) };
        const results = await carrier.transport.topics.publish(topic, inputs, options);
        return results.map((result) =>
          result.position === undefined ? result : { ...result, position: carrier.tag(result.position) },
        );
      }),
    open: (pattern, from, context) => openCursor(calls, pattern, from, context),
    bind: (queue, pattern, from, context) =>
      calls.run(context, async ({ transport }) => {
        const place = placeOf(calls, from);
        const own = place.carrier.isLeft ? await behind(place) : place.from;
        await transport.topics.bind(queue, pattern, { from: own, ...boundsOf(context) });
      }),
    unbind: (queue, pattern, context) =>
      calls.run(context, ({ transport }) => transport.topics.unbind(queue, pattern, boundsOf(context))),
  };
}

async function openCursor(
  calls: MigrateCalls,
  pattern: string,
  from: From,
  context: CallContext,
): Promise<EventCursor> {
  for (;;) {
    const { carrier, from: own } = placeOf(calls, from);
    const wasLeft = carrier.isLeft;
    const cursor = new MigrateEventCursor(pattern, from, calls.follower);
    try {
      await cursor.open(carrier, own, boundsOf(context));
      await calls.follower.isStill(carrier);
    } catch (error) {
      await cursor.close();
      // A store that was emptied after the move knows no position any more.
      const isGone = wasLeft && isBusbarError(error) && error.code === 'INVALID_ARGUMENT';
      throw isGone ? positionExpired() : ownError(error);
    }
    // What is new comes in the next store if the bus has moved meanwhile.
    if (wasLeft || from !== 'new' || carrier === calls.current) return cursor;
    await cursor.close();
  }
}

/** In which store a cursor begins. A position of the store before the move is read there, to its end. */
function placeOf({ follower }: MigrateCalls, from: From): Place {
  const { current } = follower;
  if (typeof from !== 'object' || !('after' in from)) return { carrier: current, from };
  const { generation = current.generation, inner } = untag(from.after);
  const after = { after: inner };
  if (generation === current.generation) return { carrier: current, from: after };
  const { transport, name } = follower.other;
  if (generation !== current.generation - 1 || transport === undefined) throw positionExpired();
  const left = new Carrier(name, transport, { generation, position: undefined });
  left.leave(current);
  return { carrier: left, from: after };
}

/** The place in the next store that continues a place in a store that was left. */
async function behind({ carrier, from }: Place): Promise<From> {
  await using probe = await carrier.transport.topics.subscribe('>', { from: 'new' }, () => undefined);
  const isAtEnd = typeof from === 'object' && 'after' in from && from.after >= (probe.position ?? '');
  const cut = carrier.next?.cut;
  if (!isAtEnd || cut === undefined) throw positionExpired();
  return { after: cut };
}
