/** The topics of a transport: arguments checked, subscriptions led. */

import type { Cursor, EventCursor } from '../contract/driver.ts';
import { invalid } from '../contract/errors.ts';
import type { TopicEvent } from '../contract/message.ts';
import { checkPattern, checkQueueName, checkTopic } from '../contract/names.ts';
import type { From, OnEvents, Subscription, Topics } from '../contract/transport.ts';
import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkOptions,
  describe,
  MAX_DURATION_MS,
} from '../contract/validation.ts';
import { Pump } from './cursor-pump.ts';
import { locateResults } from './error-context.ts';
import { stampAll } from './prepare-message.ts';
import type { Shared } from './transport-internals.ts';

const CALL_KEYS = ['timeoutMs', 'signal'];
const DEFAULT_MAX = 256;

/** The topics of the transport. */
export function openTopics(shared: Shared): Topics {
  const { backend, underWay } = shared;
  return {
    async publish(topic, messages, options) {
      shared.assertOpen('topics.publish');
      checkTopic(topic);
      checkOptions(options, ['ephemeral', ...CALL_KEYS], 'publish options');
      checkBoolean(options?.ephemeral, 'ephemeral');
      const stamped = stampAll(messages, topic, backend.capabilities);
      const plan = { operation: 'topics.publish', whenAbandoned: 'unknown' } as const;
      const results = await underWay.run(plan, options, (context) =>
        backend.topics.publish(topic, stamped, options?.ephemeral ?? false, context),
      );
      return locateResults(results, 'topics.publish', backend.name);
    },
    async subscribe(pattern, options, onEvents) {
      shared.assertOpen('topics.subscribe');
      checkPattern(pattern);
      checkOptions(options, ['from', 'max', ...CALL_KEYS], 'subscribe options');
      checkInteger(options.max, 'max', { min: 1, max: 1000 });
      checkFunction(onEvents, 'onEvents');
      const from = checkFrom(options.from);
      const plan = {
        operation: 'topics.subscribe',
        whenAbandoned: 'failed',
        onLate: (cursor: EventCursor) => void cursor.close(),
      } as const;
      const cursor = await underWay.run(plan, options, (context) => backend.topics.open(pattern, from, context));
      return lead(new OpenSubscription(cursor, options.max ?? DEFAULT_MAX, onEvents), shared);
    },
    async bind(queue, pattern, options) {
      shared.assertOpen('topics.bind');
      checkQueueName(queue);
      checkPattern(pattern);
      checkOptions(options, ['from', ...CALL_KEYS], 'bind options');
      const from = checkFrom(options?.from);
      const plan = { operation: 'topics.bind', whenAbandoned: 'unknown' } as const;
      return underWay.run(plan, options, (context) => backend.topics.bind(queue, pattern, from, context));
    },
    async unbind(queue, pattern, options) {
      shared.assertOpen('topics.unbind');
      checkQueueName(queue);
      checkPattern(pattern);
      checkOptions(options, CALL_KEYS, 'unbind options');
      const plan = { operation: 'topics.unbind', whenAbandoned: 'unknown' } as const;
      return underWay.run(plan, options, (context) => backend.topics.unbind(queue, pattern, context));
    },
  };
}

/** Registers something live so that it ends with the transport, also one that ended meanwhile; forgets it once it is over. */
export function lead<T extends { close(): Promise<void>; readonly ended: Promise<unknown> }>(
  live: T,
  shared: Shared,
): T {
  shared.closables.add(live);
  void live.ended.then(() => shared.closables.delete(live));
  if (!shared.isOpen()) void live.close();
  return live;
}

class OpenSubscription implements Subscription {
  readonly #pump: Pump<TopicEvent>;
  readonly #cursor: EventCursor;
  /** The last event handled, until the cursor is asked for what follows and says so itself. */
  #handled: string | undefined;

  constructor(cursor: EventCursor, max: number, onEvents: OnEvents) {
    this.#cursor = cursor;
    const asked: Cursor<TopicEvent> = {
      next: (most) => {
        const events = cursor.next(most);
        if (cursor.position !== undefined) this.#handled = undefined;
        return events;
      },
      close: () => cursor.close(),
    };
    this.#pump = new Pump(asked, max, async (events) => {
      await onEvents(events);
      this.#handled = events.findLast((event) => event.position !== undefined)?.position ?? this.#handled;
    });
  }

  get ended(): Subscription['ended'] {
    return this.#pump.ended;
  }

  get position(): string | undefined {
    return this.#handled ?? this.#cursor.position;
  }

  get dropped(): number {
    return this.#cursor.dropped;
  }

  close(): Promise<void> {
    return this.#pump.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function checkFrom(from: unknown): From {
  if (from === undefined) return 'new';
  if (from === 'new' || from === 'start') return from;
  if (typeof from === 'object' && from !== null) {
    const { after, time } = from as { after?: unknown; time?: unknown };
    if (typeof after === 'string' && after !== '' && after.length <= 512 && time === undefined) return { after };
    if (typeof time === 'number' && after === undefined) {
      checkDuration(time, 'from.time', { min: 0, max: MAX_DURATION_MS * 100 });
      return { time };
    }
  }
  throw invalid(
    `illegal from: ${describe(from)}`,
    "Use 'new', 'start', { after: position } or { time: milliseconds }.",
  );
}
