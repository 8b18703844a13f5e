/** Requests of one client that wait for their answers. */

import { BusbarError, type BusbarErrorOptions } from '@busbar/api/transport';
import { FRAME, type Frame, frame, type Head } from '../wire/frame.ts';

/** How a request is made. */
export interface RequestPlan {
  readonly op: string;
  readonly head: Head;
  readonly bodies?: readonly Uint8Array[];
  /** On the clock of `performance.now()`; Infinity for never. */
  readonly deadline: number;
  /**
   * What becomes of it when the connection is lost before the answer came. `repeat`: it is made again on the next one,
   * since doing it twice is doing it once. `unknown`: it may have been done. `failed`: it ends with the connection.
   */
  readonly whenLost: 'repeat' | 'unknown' | 'failed';
  /** Whether the hub has no bound for it but its own: it waits for something to come. */
  readonly isWait?: boolean;
  /** Gets the parts that come before the answer. */
  readonly onPart?: (part: Frame) => void;
}

/** UNAVAILABLE: the connection went before the answer came. */
export class ConnectionLost extends BusbarError {
  constructor(outcome: NonNullable<BusbarErrorOptions['outcome']>) {
    super('UNAVAILABLE', 'the connection to the hub was lost before it answered', {
      outcome,
      hint: 'The transport connects again by itself.',
    });
  }
}

/** How long a send is repeated at most: ids are remembered for two minutes at least. */
const REPEAT_WITHIN_MS = 100_000;

/** One request under way. */
export class Pending {
  readonly id: number;
  readonly plan: RequestPlan;
  readonly resolve: (answer: Frame) => void;
  readonly reject: (error: unknown) => void;
  /** When it was sent first; undefined while it waits for a connection. */
  sentAt: number | undefined;
  /** Nobody waits for it. */
  isCancelled = false;
  /** Whether it was sent over more than one connection. */
  isRepeated = false;

  constructor(id: number, plan: RequestPlan, resolve: (answer: Frame) => void, reject: (error: unknown) => void) {
    this.id = id;
    this.plan = plan;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** The frame that makes the request, with the time that is left. */
  toFrame(): Frame {
    const { op, head, bodies, deadline, isWait } = this.plan;
    const now = performance.now();
    this.isRepeated = this.sentAt !== undefined;
    this.sentAt ??= now;
    if (isWait === true) return frame(FRAME.request, this.id, { op, ...head, ...this.#waitLeft(now) }, bodies);
    const timeoutMs = deadline === Number.POSITIVE_INFINITY ? null : Math.max(1, Math.ceil(deadline - now));
    return frame(FRAME.request, this.id, { op, timeoutMs, ...head }, bodies);
  }

  /** What is to be said when the connection is lost; undefined where it is made again. */
  lost(now: number): ConnectionLost | undefined {
    if (this.sentAt === undefined) return undefined;
    const { whenLost } = this.plan;
    const isWanted = whenLost === 'repeat' && !this.isCancelled;
    const isInTime = isWanted && (this.plan.isWait === true || now - this.sentAt < REPEAT_WITHIN_MS);
    if (isInTime) return undefined;
    return new ConnectionLost(whenLost === 'failed' ? 'failed' : 'unknown');
  }

  /** A wait that is repeated has waited already. */
  #waitLeft(now: number): Head {
    const waitMs = this.plan.head['waitMs'];
    if (typeof waitMs !== 'number') return {};
    return { waitMs: Math.max(0, waitMs - (now - (this.sentAt ?? now))) };
  }
}
