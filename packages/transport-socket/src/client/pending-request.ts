/** A request that waits for its response. */

import { Deadline } from '@busbar/api/driver';
import { BusbarError, type BusbarErrorOptions } from '@busbar/api/transport';
import { FRAME, type Frame, frame, type Header } from '@busbar/wire';

/** What to request, and how to handle a lost connection. */
export interface RequestSpec {
  readonly op: string;
  /** A function is called for each connection that the request is sent over. */
  readonly header: Header | (() => Header);
  readonly bodies?: readonly Uint8Array[] | undefined;
  /** On the clock of `performance.now()`; Infinity for never. */
  readonly deadline: number;
  /**
   * What happens if the connection is lost before the response. `repeat`: the request is sent again, since it is
   * idempotent. `unknown`: it rejects, and its outcome is unknown. `fail`: it rejects as failed.
   */
  readonly whenLost: 'repeat' | 'unknown' | 'fail';
  /** Whether it waits for something to arrive, so that the hub must not apply its default timeout. */
  readonly isWait?: boolean | undefined;
  /** Receives the items that come before the response. */
  readonly onItem?: ((item: Frame) => void) | undefined;
}

/** UNAVAILABLE: the connection was lost before the response. */
export class ResponseLost extends BusbarError {
  constructor(outcome: NonNullable<BusbarErrorOptions['outcome']>) {
    super('UNAVAILABLE', 'the connection to the hub was lost before it responded', {
      outcome,
      hint: 'The transport reconnects by itself.',
    });
  }
}

/** How long a send may be repeated. Stores remember ids for two minutes at least. */
const REPEAT_WITHIN_MS = 100_000;

export class PendingRequest {
  readonly id: number;
  readonly spec: RequestSpec;
  readonly response: Promise<Frame>;
  readonly resolve: (response: Frame) => void;
  readonly reject: (error: unknown) => void;
  readonly deadline: Deadline;
  /** When it was first sent; undefined while it waits for a connection. */
  sentAt: number | undefined;
  /** The `epoch` of the client in which its response arrived. */
  epoch = -1;
  isCancelled = false;
  /** Whether it was sent over more than one connection. */
  isRepeated = false;

  constructor(id: number, spec: RequestSpec, onDeadline: (request: PendingRequest) => void) {
    this.id = id;
    this.spec = spec;
    this.deadline = new Deadline(() => onDeadline(this));
    ({ promise: this.response, resolve: this.resolve, reject: this.reject } = Promise.withResolvers<Frame>());
  }

  /** The frame of the request, with the time that is left. */
  toFrame(): Frame {
    const { op, bodies, deadline, isWait } = this.spec;
    const header = this.#header;
    const now = performance.now();
    this.isRepeated = this.sentAt !== undefined;
    this.sentAt ??= now;
    if (isWait === true) return frame(FRAME.request, this.id, { op, ...header, ...this.#waitLeft(now) }, bodies);
    const timeoutMs = Math.max(1, Math.ceil(deadline - now));
    return frame(FRAME.request, this.id, { op, timeoutMs, ...header }, bodies);
  }

  /** The error for a lost connection; undefined if the request will be sent again. */
  errorWhenLost(now: number): ResponseLost | undefined {
    if (this.sentAt === undefined) return undefined;
    const { whenLost, isWait } = this.spec;
    const isRepeatable = whenLost === 'repeat' && !this.isCancelled;
    if (isRepeatable && (isWait === true || now - this.sentAt < REPEAT_WITHIN_MS)) return undefined;
    return new ResponseLost(whenLost === 'fail' ? 'failed' : 'unknown');
  }

  get #header(): Header {
    const { header } = this.spec;
    return typeof header === 'function' ? header() : header;
  }

  /** A repeated wait continues with the time that is left. */
  #waitLeft(now: number): Header {
    const waitMs = this.#header['waitMs'];
    if (typeof waitMs !== 'number') return {};
    return { waitMs: Math.max(0, waitMs - (now - (this.sentAt ?? now))) };
  }
}
