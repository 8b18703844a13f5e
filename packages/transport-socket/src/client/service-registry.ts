/** The addresses that a client serves, and the calls in progress. */

import {
  type CallDriver,
  Condition,
  completeMessage,
  encodeError,
  handlerFailed,
  Limiter,
  toHandlerError,
} from '@busbar/api/driver';
import { BusbarError } from '@busbar/api/transport';
import { FRAME, type Frame, frame, type Header } from '../wire/frame.ts';
import { decodeMessage, encodeMessage } from '../wire/message-codec.ts';
import { CALL_CREDIT } from '../wire/protocol.ts';
import { type RequestSpec, ResponseLost } from './pending-request.ts';

/** Handles a call and yields its replies. */
export type ServedHandler = Parameters<CallDriver['serve']>[2];

/** Sends a frame over the connection that a call came from. Does nothing after its end. */
type SendFrame = (frame: Frame) => void;

/** An address that this client serves. */
export class RemoteService {
  readonly id: number;
  readonly header: Header;
  readonly handler: ServedHandler;
  /** Whether the hub has registered it. */
  isRegistered = false;
  /** The calls in progress. The hub limits their number. */
  readonly running: Limiter = new Limiter(Number.POSITIVE_INFINITY);

  constructor(id: number, address: string, max: number, handler: ServedHandler) {
    this.id = id;
    this.header = { serviceId: id, address, max };
    this.handler = handler;
  }
}

/** Runs the calls to the services of one client. */
export class ServiceRegistry {
  readonly #services = new Map<number, RemoteService>();
  /** Calls in progress, by the hub's id. */
  readonly #calls = new Map<number, ServedCall>();
  #lastId = 0;

  add(address: string, max: number, handler: ServedHandler): RemoteService {
    this.#lastId += 1;
    const service = new RemoteService(this.#lastId, address, max, handler);
    this.#services.set(service.id, service);
    return service;
  }

  /** Accepts no further calls for `service`. Returns false if it was already removed. */
  remove({ id }: RemoteService): boolean {
    return this.#services.delete(id);
  }

  /** Requests to send on a new connection before all others. */
  onReconnected(): readonly RequestSpec[] {
    return [...this.#services.values()]
      .filter(({ isRegistered }) => isRegistered)
      .map(({ header }) => ({ op: 'calls.serve', header, deadline: Number.POSITIVE_INFINITY, whenLost: 'fail' }));
  }

  /** Handles a call to serve, or a frame about one. */
  onCall(each: Frame, send: SendFrame): void {
    if (each.type === FRAME.call) void this.#run(each, send);
    else if (each.type === FRAME.cancel) this.#calls.get(each.id)?.cancel();
    else this.#calls.get(each.id)?.addCredit(each.header['count']);
  }

  onConnectionLost(): void {
    for (const call of this.#calls.values()) call.cancel();
    this.#calls.clear();
  }

  async #run({ id, header, bodies }: Frame, send: SendFrame): Promise<void> {
    const service = this.#services.get(header['serviceId'] as number);
    if (service === undefined) return send(frame(FRAME.error, id, encodeError(notServed())));
    const call = new ServedCall();
    this.#calls.set(id, call);
    void service.running.acquire(call.signal);
    try {
      const message = decodeMessage(header['message'] as Header, bodies[0]);
      for await (const input of service.handler(message, call.signal)) {
        await call.takeCredit();
        if (call.signal.aborted) break;
        const reply = completeMessage(input);
        send(frame(FRAME.item, id, encodeMessage(reply), [reply.body]));
      }
      send(frame(FRAME.response, id));
    } catch (error) {
      const failure = error instanceof ResponseLost ? handlerFailed(error) : toHandlerError(error);
      send(frame(FRAME.error, id, encodeError(failure)));
    } finally {
      if (this.#calls.get(id) === call) this.#calls.delete(id);
      service.running.release();
    }
  }
}

/** A call in progress: its credit for replies, and whether the requester still waits. */
class ServedCall {
  readonly #cancelled = new AbortController();
  readonly #changed = new Condition();
  #credit = CALL_CREDIT;

  get signal(): AbortSignal {
    return this.#cancelled.signal;
  }

  /** Resolves when one more reply may be sent, or the call is cancelled. */
  async takeCredit(): Promise<void> {
    while (this.#credit <= 0 && !this.signal.aborted) await this.#changed.wait();
    this.#credit -= 1;
  }

  addCredit(count: unknown): void {
    if (typeof count === 'number') this.#credit += count;
    this.#changed.notify();
  }

  cancel(): void {
    this.#cancelled.abort(new BusbarError('ABORTED', 'the requester no longer waits'));
    this.#changed.notify();
  }
}

function notServed(): BusbarError {
  return new BusbarError('NO_RESPONDER', 'this client no longer serves the address', {
    hint: 'Start a responder, or request with durable.',
  });
}
