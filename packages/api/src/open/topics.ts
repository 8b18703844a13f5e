/** The topics facet of a transport: checks arguments and runs subscriptions. */

import type { Cursor, EventCursor } from '../contract/driver.ts';
import type { TopicEvent } from '../contract/message.ts';
import { checkPattern, checkQueueName, checkTopic } from '../contract/names.ts';
import type { OnEvents, TopicSubscription, Topics } from '../contract/topics.ts';
import { checkBoolean, checkCallback, checkFrom, checkInteger, checkOptions } from '../contract/validation.ts';
import type { BatchLimit } from '../driver-kit/batch-size.ts';
import { CursorPump } from './cursor-pump.ts';
import { withResultContext } from './error-context.ts';
import { prepareMessages } from './prepare-message.ts';
import { type TransportInternals, trackClosable } from './transport-internals.ts';

const CALL_KEYS = ['timeoutMs', 'signal'];
const DEFAULT_MAX = 256;

/** The topics facet of the transport. */
export function openTopics(internals: TransportInternals): Topics {
  const { driver, inflight } = internals;
  return {
    async publish(topic, messages, options) {
      checkTopic(topic);
      checkOptions(options, ['ephemeral', ...CALL_KEYS], 'publish options');
      checkBoolean(options?.ephemeral, 'ephemeral');
      const prepared = prepareMessages(messages, topic, driver.capabilities);
      const results = await inflight.write(options, (context) =>
        driver.topics.publish(topic, prepared, options?.ephemeral ?? false, context),
      );
      return withResultContext(results, 'topics.publish', driver.name);
    },
    async subscribe(pattern, options, onEvents) {
      checkPattern(pattern);
      checkOptions(options, ['from', 'max', 'maxBytes', ...CALL_KEYS], 'subscribe options');
      checkInteger(options.max, 'max', { min: 1, max: 1000 });
      checkInteger(options.maxBytes, 'maxBytes', { min: 1, max: Number.MAX_SAFE_INTEGER });
      checkCallback(onEvents, 'onEvents');
      const { maxBodyBytes: maxItemBytes } = driver.capabilities;
      const { max = DEFAULT_MAX, maxBytes } = options;
      const from = checkFrom(options.from);
      const cursor = await inflight.open(options, (context) => driver.topics.open(pattern, from, context));
      return trackClosable(new OpenSubscription(cursor, { max, maxBytes, maxItemBytes }, onEvents), internals);
    },
    async bind(queue, pattern, options) {
      checkQueueName(queue);
      checkPattern(pattern);
      checkOptions(options, ['from', ...CALL_KEYS], 'bind options');
      const from = checkFrom(options?.from);
      return inflight.write(options, (context) => driver.topics.bind(queue, pattern, from, context));
    },
    async unbind(queue, pattern, options) {
      checkQueueName(queue);
      checkPattern(pattern);
      checkOptions(options, CALL_KEYS, 'unbind options');
      return inflight.write(options, (context) => driver.topics.unbind(queue, pattern, context));
    },
  };
}

class OpenSubscription implements TopicSubscription {
  readonly #pump: CursorPump<TopicEvent>;
  readonly #cursor: EventCursor;
  /** The position of the last event handled; undefined once the cursor reports its own. */
  #handled: string | undefined;

  constructor(cursor: EventCursor, limit: BatchLimit, onEvents: OnEvents) {
    this.#cursor = cursor;
    const asked: Cursor<TopicEvent> = {
      next: (most) => {
        const events = cursor.next(most);
        if (cursor.position !== undefined) this.#handled = undefined;
        return events;
      },
      close: () => cursor.close(),
    };
    this.#pump = new CursorPump(asked, { ...limit, sizeOf: ({ body }) => body.byteLength }, async (events) => {
      await onEvents(events);
      this.#handled = events.findLast((event) => event.position !== undefined)?.position ?? this.#handled;
    });
  }

  get ended(): TopicSubscription['ended'] {
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
