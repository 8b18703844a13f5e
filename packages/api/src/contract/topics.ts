/** The topics of a transport. */

import type { CallOptions } from './call-options.ts';
import type { BusbarError } from './errors.ts';
import type { MessageInput, TopicEvent } from './message.ts';
import type { SendResult } from './queues.ts';

/** Topics: each event goes to every subscriber; a log with positions (rules RT1-RT6). */
export interface Topics {
  /**
   * Appends events to the log and to every bound queue. With `ephemeral`, only present subscribers get them. Resolves with
   * one result per event, in order. Priority, delay and TTL apply in bound queues only. An id is stored once per topic
   * within 2 minutes, or within the window of the backend's options. Full and frozen queues take events of their bindings.
   */
  publish(topic: string, messages: readonly MessageInput[], options?: PublishOptions): Promise<PublishResult[]>;
  /**
   * Passes every event that matches `pattern` to `onEvents`, in order, in batches of up to `max`. The next batch follows when
   * its promise resolves. After this resolves, every later publish is seen. A subscription survives reconnects without gaps
   * or duplicates.
   */
  subscribe(pattern: string, options: TopicSubscribeOptions, onEvents: OnEvents): Promise<TopicSubscription>;
  /**
   * Adds every event that matches to `queue` (created if needed), from when this resolves. A queue gets each event once, even
   * if several of its bindings match it, wherever they begin (rule RT5).
   */
  bind(queue: string, pattern: string, options?: BindOptions): Promise<void>;
  /** Deletes a binding. Messages in the queue stay. Does nothing if there is no such binding. */
  unbind(queue: string, pattern: string, options?: CallOptions): Promise<void>;
}

export interface PublishOptions extends CallOptions {
  /** The events are not stored, have no position and are delivered at most once, not to bound queues. Default false. */
  readonly ephemeral?: boolean | undefined;
}

/** The result of one event. A duplicate has the position of the first. */
export interface PublishResult extends SendResult {
  /** Its position in the log: opaque, at most 512 bytes. Undefined for an ephemeral event. */
  readonly position?: string;
}

/**
 * Where to begin in a log: at the next event, at the oldest stored event, after a position, or at a time. A future time is
 * like `new`. A position beyond retention rejects with POSITION_EXPIRED, a foreign one with
 * INVALID_ARGUMENT.
 */
export type From = 'new' | 'start' | { readonly after: string } | { readonly time: number };

export interface TopicSubscribeOptions extends CallOptions {
  /** Default `new`. Ephemeral events are always delivered. */
  readonly from?: From | undefined;
  /** The most events in one batch, 1 to 1,000. Default 256. */
  readonly max?: number | undefined;
  /** About how many bytes of bodies one batch has. Default: no limit. */
  readonly maxBytes?: number | undefined;
}

export interface BindOptions extends CallOptions {
  /** Default `new`. Earlier events follow in bounded steps after this resolves. */
  readonly from?: From | undefined;
}

/** Receives a batch of events. The next batch follows when its promise resolves. A rejection ends the subscription. */
export type OnEvents = (events: readonly TopicEvent[]) => void | Promise<void>;

/** A live subscription. */
export interface TopicSubscription extends AsyncDisposable {
  /** Resolves after its end: with the error that ended it, or undefined after {@link TopicSubscription.close}. Never rejects. */
  readonly ended: Promise<BusbarError | undefined>;
  /**
   * Its position: subscribing with `{ after: position }` continues after the last handled event. Events that do not match
   * move it too, so retention does not overtake a subscriber to rare events.
   */
  readonly position: string | undefined;
  /** How many ephemeral events were dropped because the handler was too slow. */
  readonly dropped: number;
  /** Ends it. Resolves when the last call of the handler has ended. */
  close(): Promise<void>;
}
