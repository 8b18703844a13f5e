/** A connection over a WebSocket: one binary message for the frames of one turn, or one JSON text for each frame. */

import type { Duplex } from 'node:stream';
import { BusbarError, toBusbarError } from '@busbar/api/transport';
import {
  type ConnectionEvents,
  connectionLost,
  FRAME,
  type Frame,
  frame,
  goaway,
  type LinkConnection,
  PartialFrame,
  protocolError,
  WriteBuffer,
} from '@busbar/wire';
import type { RawData, WebSocket } from 'ws';
import { readPacket, toPackets } from '../../wire/packet.ts';
import { decodeJsonFrame, encodeJsonFrame } from './json-frame.ts';

/** How long an orderly close waits for the peer. */
const CLOSE_TIMEOUT_MS = 1000;
const MAX_REASON_BYTES = 120;
const BINARY = { binary: true, compress: false } as const;
const TEXT = { binary: false, compress: false } as const;

const CLOSE_CODES: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 1002,
  PERMISSION_DENIED: 1008,
  BACKPRESSURE: 1013,
};
const ALIVE = [frame(FRAME.pong)];
const NORMAL = 1000;
const GOING_AWAY = 1001;
const TRY_AGAIN_LATER = 1013;
const POLICY = 1008;

/** Binary messages or JSON texts. The first message of the peer decides. */
type MessageForm = 'binary' | 'text';

/** Options of a {@link WsConnection}. */
export interface WsConnectionOptions {
  /** Default: as the peer's first message. */
  readonly form?: MessageForm;
  readonly maxFrameBytes?: number;
  /** The stream below. Without it a part of a message does not show that the peer is alive. */
  readonly stream?: Duplex | undefined;
}

/** A connection over `socket`. Call {@link WsConnection.begin} when the receiver of its events exists. */
export class WsConnection implements LinkConnection {
  readonly #socket: WebSocket;
  readonly #maxFrameBytes: number | undefined;
  readonly #stream: Duplex | undefined;
  readonly #partial = new PartialFrame();
  /** Whether something whole has arrived with the present bytes. */
  #hasWhole = false;
  #form: MessageForm | undefined;
  readonly #writes = new WriteBuffer(() => this.flush());
  #events: ConnectionEvents | undefined;
  #isClosing = false;
  #error: BusbarError | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  /** Code and reason of the close frame, from the last goaway. */
  #closeCode = NORMAL;
  #closeReason = '';

  constructor(socket: WebSocket, { form, maxFrameBytes, stream }: WsConnectionOptions = {}) {
    this.#socket = socket;
    this.#form = form;
    this.#maxFrameBytes = maxFrameBytes;
    this.#stream = stream;
  }

  /** Starts reading and reports to `events`. */
  begin(events: ConnectionEvents): void {
    this.#events = events;
    const socket = this.#socket;
    socket.on('message', (data, isBinary) => this.#read(data, isBinary));
    // The ws library has answered the ping. Both frames show that the peer is alive.
    socket.on('ping', () => this.#receive(ALIVE));
    socket.on('pong', () => this.#receive(ALIVE));
    // The socket has read these bytes before.
    this.#stream?.on('data', () => this.#onBytes());
    socket.on('error', (error) => {
      this.#error ??= toSocketError(error);
    });
    socket.on('close', (code, reason) => {
      clearTimeout(this.#closeTimer);
      const isOrderly = this.#isClosing || code === NORMAL || code === GOING_AWAY;
      this.#isClosing = true;
      events.onClose(this.#error ?? (isOrderly ? undefined : toCloseError(code, reason.toString())));
    });
  }

  get buffered(): number {
    return this.#socket.bufferedAmount + this.#writes.bytes;
  }

  send(each: Frame): void {
    if (this.#isClosing) return;
    if (each.type === FRAME.ping) {
      // Browsers answer WebSocket pings by themselves.
      this.#socket.ping();
      return;
    }
    if (each.type === FRAME.goaway) this.#setCloseReason(each);
    this.#writes.add(each);
  }

  flush(): void {
    const frames = this.#writes.take();
    if (frames.length === 0 || this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#form === 'text') for (const each of frames) this.#socket.send(encodeJsonFrame(each), TEXT, this.#onSent);
    else for (const packet of toPackets(frames)) this.#socket.send(packet, BINARY, this.#onSent);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    if (this.#isClosing) return;
    this.flush();
    this.#isClosing = true;
    // A paused socket could not read the peer's close frame.
    this.#socket.resume();
    this.#socket.close(this.#closeCode, this.#closeReason);
    this.#closeTimer = setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS);
  }

  destroy(): void {
    this.#isClosing = true;
    this.#socket.terminate();
  }

  /** Ignores errors: the socket reports them when it closes. */
  readonly #onSent = (): void => {
    if (this.#socket.bufferedAmount === 0) this.#events?.onDrain?.();
  };

  #read(data: RawData, isBinary: boolean): void {
    if (this.#isClosing) return;
    const form = isBinary ? 'binary' : 'text';
    this.#form ??= form;
    let frames: readonly Frame[];
    try {
      if (form !== this.#form) throw protocolError(`a ${form} message after a first message of ${this.#form}`);
      // ws delivers one Buffer, although its type allows more.
      frames = isBinary
        ? readPacket(data as Buffer, this.#maxFrameBytes)
        : [decodeJsonFrame((data as Buffer).toString('utf8'))];
    } catch (error) {
      this.#error = toBusbarError(error);
      this.send(goaway(this.#error));
      this.close();
      return;
    }
    this.#receive(frames);
  }

  #receive(frames: readonly Frame[]): void {
    this.#hasWhole = true;
    if (!this.#isClosing && frames.length > 0) this.#events?.onFrames(frames);
  }

  #onBytes(): void {
    if (this.#isClosing) return;
    if (this.#hasWhole) this.#partial.ends();
    else {
      if (this.#partial.arrives()) this.#socket.ping();
      this.#events?.onFrames([]);
    }
    this.#hasWhole = false;
  }

  #setCloseReason({ header: { code, reason } }: Frame): void {
    this.#closeCode = CLOSE_CODES[String(code)] ?? GOING_AWAY;
    this.#closeReason = shorten(String(reason ?? ''));
  }
}

/** A close frame has room for 123 bytes. */
function shorten(reason: string): string {
  return Buffer.byteLength(reason) <= MAX_REASON_BYTES ? reason : `${reason.slice(0, MAX_REASON_BYTES / 3)}…`;
}

function toSocketError(error: Error & { readonly code?: string }): BusbarError {
  if (error.code?.startsWith('WS_ERR_')) return protocolError(`not a WebSocket message: ${error.message}`);
  return connectionLost(`the connection broke: ${error.code ?? error.message}`);
}

function toCloseError(code: number, reason: string): BusbarError {
  const details =
    reason === '' ? `with the code ${code}` : `(${code}): ${reason.replace(/[^\p{L}\p{N}\p{P}\p{Zs}]/gu, '?')}`;
  if (code === POLICY) return new BusbarError('PERMISSION_DENIED', `the peer ended the connection ${details}`);
  if (code === TRY_AGAIN_LATER) return connectionLost(`the peer could not keep up and ended the connection ${details}`);
  return connectionLost(`the peer ended the connection ${details}`);
}
