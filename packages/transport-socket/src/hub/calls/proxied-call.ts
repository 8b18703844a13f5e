/** One call on its way from the requester to a responder and back. */

import { decodeError } from '@busbar/api/driver';
import { BusbarError, newId } from '@busbar/api/transport';
import { CALL_CREDIT, checkForwarded, FRAME, type Frame, type Header } from '@busbar/wire';
import { authorizeSender } from '../access-tokens.ts';
import type { CancellationToken } from '../cancellation-token.ts';

const NO_BODY = new Uint8Array(0);

/** A client, as calls between clients see it. */
export interface CallPeer {
  /** The only agent that it may act for. */
  readonly agent: string | undefined;
  readonly maxBodyBytes: number;
  /** Returns false if the connection is over. */
  send(type: keyof typeof FRAME, id: number, header?: Header, bodies?: readonly Uint8Array[]): boolean;
}

/** The message of a call. */
export interface CallRequest {
  readonly message: Header;
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

/** The responder of a call: one client's service. */
export interface CallResponder {
  readonly peer: CallPeer;
  readonly serviceId: number;
  /** Starts `call` now, or when another one ends. Throws BACKPRESSURE if too many wait. */
  enqueue(call: ProxiedCall): void;
  /** Returns the id of `call` for frames between the hub and the responder. */
  begin(call: ProxiedCall): number;
  end(call: ProxiedCall, id: number | undefined): void;
}

export class ProxiedCall {
  readonly #requester: CallPeer;
  readonly #requestId: number;
  readonly #responder: CallResponder;
  readonly #request: CallRequest;
  readonly #deadline: number;
  readonly #finished = Promise.withResolvers<void>();
  /** Undefined until the call starts. */
  #responderId: number | undefined;
  #credit = CALL_CREDIT;
  #isOver = false;

  constructor(requester: CallPeer, requestId: number, responder: CallResponder, request: CallRequest) {
    this.#requester = requester;
    this.#requestId = requestId;
    this.#responder = responder;
    this.#request = request;
    this.#deadline = performance.now() + request.timeoutMs;
  }

  /** Resolves after the last reply. */
  async run(cancellation: CancellationToken): Promise<void> {
    this.#responder.enqueue(this);
    cancellation.onCancel(() => this.#cancel());
    await this.#finished.promise;
  }

  /** Sends the call to the responder. */
  start(): void {
    const { message, body } = this.#request;
    const { peer, serviceId } = this.#responder;
    this.#responderId = this.#responder.begin(this);
    const timeoutMs = Math.max(1, Math.ceil(this.#deadline - performance.now()));
    peer.send('call', this.#responderId, { serviceId, timeoutMs, message }, [body]);
  }

  /** Handles a frame of the responder. */
  onFrame({ type, header, bodies }: Frame): void {
    if (type === FRAME.item) this.#forwardReply(header, bodies);
    else if (type === FRAME.response) this.#end(() => this.#finished.resolve());
    else this.#end(() => this.#finished.reject(decodeError(header)));
  }

  /** The requester takes `count` more replies. */
  addCredit(count: number): void {
    this.#credit += count;
    if (this.#responderId !== undefined) this.#responder.peer.send('credit', this.#responderId, { count });
  }

  /** The responder has disconnected. */
  onResponderGone(): void {
    this.#end(() => this.#finished.reject(responderGone(this.#responderId !== undefined)));
  }

  #forwardReply(header: Header, bodies: readonly Uint8Array[]): void {
    try {
      if (this.#credit <= 0) throw new BusbarError('INTERNAL', 'the responder sent more replies than its credit');
      this.#credit -= 1;
      checkForwarded(header, bodies[0] ?? NO_BODY, this.#requester.maxBodyBytes);
      authorizeSender(header as { from?: unknown }, this.#responder.peer.agent);
      const message = header['id'] === undefined ? { id: newId(), sentAt: Date.now(), ...header } : header;
      this.#requester.send('item', this.#requestId, message, bodies.slice(0, 1));
    } catch (error) {
      this.#cancelAtResponder();
      this.#end(() => this.#finished.reject(error));
    }
  }

  #cancel(): void {
    this.#cancelAtResponder();
    const error = new BusbarError('ABORTED', 'the requester no longer waits', { outcome: 'unknown' });
    this.#end(() => this.#finished.reject(error));
  }

  #cancelAtResponder(): void {
    if (this.#responderId !== undefined && !this.#isOver) this.#responder.peer.send('cancel', this.#responderId);
  }

  #end(settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#responder.end(this, this.#responderId);
    settle();
  }
}

/** A responder that never received the call has done nothing. */
function responderGone(isStarted: boolean): BusbarError {
  if (!isStarted) return new BusbarError('NO_RESPONDER', 'the responder has disconnected', { hint: 'Call again.' });
  return new BusbarError('CLOSED', 'the responder disconnected before it responded', {
    outcome: 'unknown',
    hint: 'Call again if the handler is idempotent.',
  });
}
