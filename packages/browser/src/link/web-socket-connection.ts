/** A connection over the WebSocket of a browser: one JSON text for each frame. */

import { BusbarError, toBusbarError } from '@busbar/api/transport';
import {
  type ConnectionEvents,
  connectionLost,
  type Frame,
  goaway,
  type LinkConnection,
  protocolError,
} from '@busbar/wire';
import { decodeJsonFrame, encodeJsonFrame } from './json-frame.ts';

/** How long an orderly close waits for the hub. */
const CLOSE_TIMEOUT_MS = 1_000;
const NORMAL = 1000;
const GOING_AWAY = 1001;
const POLICY = 1008;

/** A connection over an open socket. */
export class WebSocketConnection implements LinkConnection {
  readonly #socket: WebSocket;
  readonly #events: ConnectionEvents;
  #isClosing = false;
  #isClosed = false;
  #error: BusbarError | undefined;

  constructor(socket: WebSocket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.addEventListener('message', ({ data }) => this.#read(data));
    socket.addEventListener('close', ({ code, reason }) => {
      const isOrderly = this.#isClosing || code === NORMAL || code === GOING_AWAY;
      this.#end(this.#error ?? (isOrderly ? undefined : toCloseError(code, reason)));
    });
  }

  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  send(frame: Frame): void {
    if (!this.#isClosing && this.#socket.readyState === this.#socket.OPEN) this.#socket.send(encodeJsonFrame(frame));
  }

  /** Each frame leaves at once. */
  flush(): void {}

  /** A page cannot stop reading. A client asks for all that may be large, batch by batch. */
  pause(): void {}

  resume(): void {}

  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#socket.close(NORMAL);
    setTimeout(() => this.#end(this.#error), CLOSE_TIMEOUT_MS);
  }

  /** The socket of a silent peer closes minutes later. Nothing waits for that. */
  destroy(): void {
    this.#isClosing = true;
    this.#socket.close();
    queueMicrotask(() => this.#end(this.#error));
  }

  #read(data: unknown): void {
    if (this.#isClosing) return;
    let frame: Frame;
    try {
      if (typeof data !== 'string') throw protocolError('the hub sent a binary message');
      frame = decodeJsonFrame(data);
    } catch (error) {
      this.#error = toBusbarError(error);
      this.send(goaway(this.#error));
      this.close();
      return;
    }
    this.#events.onFrames([frame]);
  }

  #end(error: BusbarError | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isClosing = true;
    this.#events.onClose(error);
  }
}

function toCloseError(code: number, reason: string): BusbarError {
  const text = `the connection ended with the code ${code}${reason && `: ${reason}`}`;
  return code === POLICY ? new BusbarError('PERMISSION_DENIED', text) : connectionLost(text);
}
