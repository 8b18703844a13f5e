/** Life-cycle events of a bus, for logs and metrics. */

import { callListener } from '../../contract/promises.ts';
import type { StateChange, StoreReset } from '../../contract/transport.ts';
import { checkCallback, checkOneOf } from '../../contract/validation.ts';
import type { BackgroundFailure } from './background-failure.ts';
import type { MessageSource } from './message-source.ts';

/** When an event happened. */
interface Moment {
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** A message that a handler of this bus handles, or that it settles by hand. Fields that do not apply are left out. */
export interface HandledEvent extends Moment, MessageSource {
  /** The type of a message or a request. */
  readonly type?: string | undefined;
  readonly id: string;
  /** 1 for the first delivery; 0 for a task that was cancelled while it waited. */
  readonly attempt: number;
}

/** The end of one attempt. */
export interface EndedEvent extends HandledEvent {
  /** From its delivery to this process to this event; undefined if another process has received it, or none. */
  readonly durationMs?: number | undefined;
}

/** The events of a bus, by name. Each concerns this bus only, not others on the same store. */
export interface BusEventMap {
  /** The store answered that it has a message, an event or a task. Its handler may have begun before. */
  readonly sent: Moment & {
    readonly kind: 'send' | 'publish' | 'enqueue';
    /** The agent, the topic or the queue. */
    readonly target: string;
    readonly type?: string | undefined;
    readonly id: string;
  };
  /** A handler is about to begin. */
  readonly started: HandledEvent;
  /** A handler has ended and its message is settled, or its response is ready. */
  readonly done: EndedEvent;
  /**
   * The handle of a running task cancelled it, and it is settled. Or this bus cancelled a task that waited: by its handle, with
   * its flow, or since another one replaced it. Then `type` is not known.
   */
  readonly cancelled: EndedEvent;
  /** An attempt has failed. */
  readonly failed: EndedEvent & {
    readonly reason: string;
    /**
     * `none`: requests and events of live subscriptions have one attempt and are not kept. A message that was settled by hand has
     * `retry` also after its last attempt.
     */
    readonly next: 'retry' | 'dead-letter' | 'none';
    /** The wait before the next attempt. */
    readonly delayMs?: number | undefined;
  };
  /** A message went back to its queue, and the attempt does not count. */
  readonly released: EndedEvent & {
    /** The wait before the next delivery, if a handler postponed the message. */
    readonly delayMs?: number | undefined;
  };
  /** The lease was lost before the message was settled: another consumer may have it. */
  readonly 'lease-lost': EndedEvent;
  /** An instance of an agent of this bus changed its state. */
  readonly agent: Moment & {
    readonly agent: string;
    readonly instance: string;
    readonly state: 'online' | 'evicted' | 'offline';
  };
  /** The state of the transport changed: the connection was lost or restored, or a part failed over. */
  readonly connection: Moment & StateChange;
  /** The store came back without writes that it had acknowledged. */
  readonly reset: Moment & StoreReset;
  /** What `onError` gets. */
  readonly failure: Moment & BackgroundFailure;
}

/** Life-cycle events. Without a listener they cost nothing. */
export interface BusEvents {
  /**
   * Calls `listener` for each event of this name, in order. Returns a function that ends this. What a listener throws, or
   * rejects with, goes to `onError` and affects nothing else.
   */
  on<Name extends keyof BusEventMap>(name: Name, listener: (event: BusEventMap[Name]) => void): () => void;
}

const NAMES: readonly (keyof BusEventMap)[] = [
  ...(['sent', 'started', 'done', 'cancelled', 'failed', 'released', 'lease-lost'] as const),
  ...(['agent', 'connection', 'reset', 'failure'] as const),
];

type AnyListener = (event: never) => unknown;

/** Passes events to their listeners. */
export class BusEventEmitter implements BusEvents {
  readonly #listeners = new Map<keyof BusEventMap, Set<AnyListener>>();
  readonly #report: (error: unknown) => void;

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  on<Name extends keyof BusEventMap>(name: Name, listener: (event: BusEventMap[Name]) => void): () => void {
    checkOneOf(name, 'the name of an event', NAMES);
    checkCallback(listener, 'listener');
    // A function that is added twice is called twice.
    const own: AnyListener = (event) => listener(event);
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(own));
    return () => {
      if (all.delete(own) && all.size === 0) this.#listeners.delete(name);
    };
  }

  /** Whether the event has a listener. Ask before an event is made. */
  isHeard(name: keyof BusEventMap): boolean {
    return this.#listeners.has(name);
  }

  /** Never throws. */
  emit<Name extends keyof BusEventMap>(name: Name, event: Omit<BusEventMap[Name], 'at'>): void {
    const all = this.#listeners.get(name);
    if (all === undefined) return;
    const dated = { at: Date.now(), ...event };
    for (const listener of [...all]) callListener(() => listener(dated as never), this.#report);
  }
}
