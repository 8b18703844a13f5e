/** The calls that arrive over one connection: runs them and sends their replies. */

import {
  bodyTooLarge,
  ChurnMap,
  Condition,
  completeMessage,
  Deadline,
  DeadlineQueue,
  encodeError,
  LazyAbortController,
  Limiter,
  toHandlerError,
} from '@busbar/api/driver';
import { BusbarError, type CallHandler } from '@busbar/api/transport';
import { FRAME, type Frame, frame, type Header } from '../frames/frame.ts';
import { decodeMessage, encodeMessage } from '../frames/message-codec.ts';
import { CALL_CREDIT } from '../limits.ts';

/** Calls that may wait for one service while it is busy. */
const MAX_WAITING = 10_000;
/** Bytes of the calls of one connection that may wait. */
const MAX_WAITING_BYTES = 67_108_864;
/** Shared: an error with its stack costs more than a call. */
const LEFT = new BusbarError('ABORTED', 'the requester no longer waits');

/** An address that this process serves, with a limit of concurrent calls. */
export class ServedAddress {
  readonly address: string;
  readonly max: number;
  readonly handler: CallHandler;
  readonly running: Limiter;

  constructor(address: string, max: number, handler: CallHandler) {
    this.address = address;
    this.max = max;
    this.handler = handler;
    this.running = new Limiter(max);
  }

  get isFull(): boolean {
    return (this.running.load - 1) * this.max >= MAX_WAITING;
  }
}

/** What {@link ServedCalls} work with. */
export interface ServedCallsOptions {
  /** The service that the header of a call names. */
  find(header: Header): ServedAddress | undefined;
  /** Sends a frame over the connection. Does nothing after its end. */
  send(frame: Frame): void;
  /** Whether the peer takes the last reply and the end of a call in one frame. */
  joinsEnd?(): boolean;
  /** Whether the peer leaves too much unread. Replies then wait for {@link ServedCalls.onDrain}. */
  isFull(): boolean;
  /** The largest body of a reply. */
  readonly maxBodyBytes: number;
  /** The error that a requester gets for an error of a handler. */
  toError?(error: unknown): BusbarError;
}

/** The calls in progress of one connection. */
export class ServedCalls {
  readonly #options: ServedCallsOptions;
  readonly #toError: (error: unknown) => BusbarError;
  readonly #calls = new ChurnMap<number, ServedCall>();
  readonly #deadlines = new DeadlineQueue();
  readonly #drained = new Condition();
  #waitingBytes = 0;

  constructor(options: ServedCallsOptions) {
    this.#options = options;
    this.#toError = options.toError ?? toHandlerError;
  }

  /** Handles a call, or a frame about one. Ignores frames about calls that have ended. */
  onFrame(each: Frame): void {
    if (each.type === FRAME.call) void this.#serve(each);
    else if (each.type === FRAME.cancel) this.#calls.get(each.id)?.cancel();
    else this.#calls.get(each.id)?.addCredit(each.header['count']);
  }

  /** The peer has read. */
  onDrain(): void {
    this.#drained.notify();
  }

  /** Cancels all calls: the connection is over. */
  close(): void {
    for (const call of this.#calls.values()) call.cancel();
    this.#calls.clear();
    this.#deadlines.clear();
    this.#drained.notify();
  }

  async #serve(each: Frame): Promise<void> {
    const { id, header, bytes = 0 } = each;
    const service = this.#options.find(header);
    if (service === undefined) return this.#sendError(id, notServed(), { isAbsent: true });
    if (service.isFull || this.#waitingBytes > MAX_WAITING_BYTES) return this.#sendError(id, tooManyWait());
    const call = new ServedCall();
    this.#calls.set(id, call);
    const { timeoutMs } = header;
    if (typeof timeoutMs === 'number') this.#deadlines.setIn(call.deadline, timeoutMs);
    if (!service.running.tryAcquire()) {
      this.#waitingBytes += bytes;
      try {
        await service.running.acquire(call.signal);
      } catch {
        return this.#end(id, call);
      } finally {
        this.#waitingBytes -= bytes;
      }
    }
    await this.#run(service, call, each);
    service.running.release();
  }

  async #run({ handler }: ServedAddress, call: ServedCall, { id, header, bodies }: Frame): Promise<void> {
    const { send, maxBodyBytes } = this.#options;
    try {
      const replies = handler(decodeMessage(header['message'] as Header, bodies[0]), call);
      for await (const input of replies) {
        if (!call.takeCredit()) await call.waitForCredit();
        while (this.#options.isFull() && !call.isAborted) await this.#drained.wait();
        if (call.isAborted) break;
        const { byteLength } = input.body;
        if (byteLength > maxBodyBytes) throw bodyTooLarge(byteLength, maxBodyBytes);
        const isLast = replies.isEnded === true && this.#options.joinsEnd?.() === true;
        const type = isLast ? FRAME.response : FRAME.item;
        send(frame(type, id, encodeMessage(completeMessage(input)), [input.body]));
        if (isLast) return;
      }
      send(frame(FRAME.response, id));
    } catch (error) {
      this.#sendError(id, this.#toError(error));
    } finally {
      this.#end(id, call);
    }
  }

  #end(id: number, call: ServedCall): void {
    this.#deadlines.cancel(call.deadline);
    if (this.#calls.get(id) === call) this.#calls.delete(id);
  }

  #sendError(id: number, error: BusbarError, more: Header = {}): void {
    this.#options.send(frame(FRAME.error, id, { ...encodeError(error), ...more }));
  }
}

/** A call in progress: its credit for replies, and whether the requester still waits. */
class ServedCall extends LazyAbortController {
  readonly deadline: Deadline = new Deadline(() => this.cancel());
  readonly #changed = new Condition();
  #credit = CALL_CREDIT;

  /** Whether one more reply may be sent now. */
  takeCredit(): boolean {
    if (this.#credit <= 0) return false;
    this.#credit -= 1;
    return true;
  }

  /** Resolves when one more reply may be sent, or the call is cancelled. */
  async waitForCredit(): Promise<void> {
    while (!this.takeCredit() && !this.isAborted) await this.#changed.wait();
  }

  addCredit(count: unknown): void {
    if (typeof count === 'number') this.#credit += count;
    this.#changed.notify();
  }

  cancel(): void {
    this.abort(LEFT);
    this.#changed.notify();
  }
}

function notServed(): BusbarError {
  return new BusbarError('NO_RESPONDER', 'this client no longer serves the address', {
    hint: 'Start a responder, or request with durable.',
  });
}

function tooManyWait(): BusbarError {
  return new BusbarError('BACKPRESSURE', 'too many calls wait for this address', { hint: 'Call again later.' });
}
