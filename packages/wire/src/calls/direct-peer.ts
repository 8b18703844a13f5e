/** A connection to a process that serves calls, and the calls over it. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { CallReplies, ChurnMap, decodeError, type PreparedMessage } from '@busbar/api/driver';
import { BusbarError } from '@busbar/api/transport';
import { FRAME, type Frame, frame } from '../frames/frame.ts';
import { decodeMessage, encodeMessage } from '../frames/message-codec.ts';
import { CALL_CREDIT, HEARTBEAT_MS, HELLO_TIMEOUT_MS, MAX_BUFFERED_BYTES, MAX_FRAME_HEADER_BYTES } from '../limits.ts';
import type { ConnectionEvents, LinkConnection } from '../stream/connection.ts';
import { Heartbeat } from '../stream/heartbeat.ts';
import { UnixConnection } from '../stream/unix-connection.ts';

/** How to reach a server. */
export interface PeerAddress {
  readonly path: string;
  readonly token: string;
  readonly maxBodyBytes: number;
  /** Called when the connection is over. */
  onOver(): void;
}

const MAX_ID = 0xffff_ffff;

/** NO_RESPONDER: the server has closed its service. It has not run the call. */
export class ServiceClosed extends BusbarError {
  constructor(address: string) {
    super('NO_RESPONDER', `no process serves ${address}`, { hint: 'Start a server, or send a durable request.' });
  }
}

export class DirectPeer implements ConnectionEvents {
  readonly #connection: LinkConnection;
  readonly #onOver: () => void;
  readonly #heartbeat: Heartbeat;
  readonly #calls = new ChurnMap<number, PendingCall>();
  readonly #welcome = Promise.withResolvers<void>();
  #lastId = 0;

  private constructor(socket: Socket, { maxBodyBytes, onOver }: PeerAddress) {
    const connection = new UnixConnection(socket, maxBodyBytes + MAX_FRAME_HEADER_BYTES);
    this.#connection = connection;
    this.#onOver = onOver;
    this.#heartbeat = new Heartbeat(HEARTBEAT_MS, connection, { isNeeded: () => this.#calls.size > 0 });
    this.#welcome.promise.catch(() => undefined);
    connection.begin(this);
  }

  /** Connects and says hello. Rejects if the process is gone, does not respond, or refuses the token. */
  static async open(address: PeerAddress): Promise<DirectPeer> {
    // What is pending keeps the process alive, not its connection.
    const socket = connect({ path: address.path }).unref();
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), HELLO_TIMEOUT_MS);
    try {
      await once(socket, 'connect');
      const peer = new DirectPeer(socket, address);
      peer.#connection.send(frame(FRAME.hello, 0, { token: address.token, joinsEnd: true }));
      await peer.#welcome.promise;
      return peer;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The number of calls in progress. */
  get load(): number {
    return this.#calls.size;
  }

  /** Sends a call. Throws BACKPRESSURE while the server leaves too much unread. */
  call(address: string, message: PreparedMessage, deadline: number): CallReplies {
    if (this.#connection.buffered > MAX_BUFFERED_BYTES) throw takesNothing(address);
    const id = this.#nextId();
    const replies = new CallReplies({
      window: CALL_CREDIT,
      onRead: (count) => this.#connection.send(frame(FRAME.credit, id, { count })),
      onLeave: () => {
        this.#calls.delete(id);
        this.#connection.send(frame(FRAME.cancel, id));
      },
    });
    this.#calls.set(id, { address, replies });
    this.#heartbeat.start();
    const timeoutMs =
      deadline === Number.POSITIVE_INFINITY ? undefined : Math.max(1, Math.ceil(deadline - performance.now()));
    this.#connection.send(
      frame(FRAME.call, id, { address, timeoutMs, message: encodeMessage(message) }, [message.body]),
    );
    return replies;
  }

  close(): void {
    this.#connection.close();
  }

  onFrames(frames: readonly Frame[]): void {
    this.#heartbeat.received();
    for (const each of frames) this.#receive(each);
  }

  onClose(error: BusbarError | undefined): void {
    this.#onOver();
    this.#heartbeat.stop();
    this.#welcome.reject(error ?? new Error('the server closed the connection'));
    for (const { replies } of this.#calls.values()) replies.end(responderGone());
    this.#calls.clear();
  }

  #receive({ type, id, header, bodies }: Frame): void {
    const call = this.#calls.get(id);
    if (type === FRAME.welcome) this.#welcome.resolve();
    else if (call === undefined) return;
    else if (type === FRAME.item) call.replies.arrive(decodeMessage(header, bodies[0]));
    else if (type === FRAME.response) {
      // The last reply can come in one frame with the end.
      if (bodies.length > 0) call.replies.arrive(decodeMessage(header, bodies[0]));
      this.#end(id, call, undefined);
    } else if (type === FRAME.error) {
      this.#end(id, call, header['isAbsent'] === true ? new ServiceClosed(call.address) : decodeError(header));
    }
  }

  #end(id: number, { replies }: PendingCall, error: BusbarError | undefined): void {
    this.#calls.delete(id);
    replies.end(error);
  }

  #nextId(): number {
    do this.#lastId = this.#lastId === MAX_ID ? 1 : this.#lastId + 1;
    while (this.#calls.has(this.#lastId));
    return this.#lastId;
  }
}

interface PendingCall {
  readonly address: string;
  readonly replies: CallReplies;
}

function takesNothing(address: string): BusbarError {
  return new BusbarError('BACKPRESSURE', `the server of ${address} does not read its calls`, {
    hint: 'Call again later.',
  });
}

function responderGone(): BusbarError {
  return new BusbarError('CLOSED', 'the responder disconnected before it responded', {
    outcome: 'unknown',
    hint: 'Call again if the handler is idempotent.',
  });
}
