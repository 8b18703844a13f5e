/** A connection over a WebSocket: frames of one turn in one binary message, or each as a JSON text. */

import { BusbarError, toBusbarError } from '@busbar/api/transport';
import type { RawData, WebSocket } from 'ws';
import { bad, FRAME, type Frame, frame } from '../../wire/frame.ts';
import { readPacket, toPackets } from '../../wire/packet.ts';
import type { Connection, ConnectionEvents } from '../link.ts';
import { lost } from '../unix/unix-connection.ts';
import { Outbox } from '../write-buffer.ts';
import { decodeJsonFrame, encodeJsonFrame } from './json-frame.ts';

/** How long a peer may take what was sent before an orderly end. */
const CLOSE_MS = 1000;
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

/** What the peer sends: binary messages or JSON texts. Its first message says which. */
type Form = 'binary' | 'text';

/** A connection over `socket`. Call {@link WsConnection.begin} once somebody listens. */
export class WsConnection implements Connection {
  readonly #socket: WebSocket;
  readonly #maxFrameBytes: number | undefined;
  #form: Form | undefined;
  readonly #outbox = new Outbox(() => this.#flush());
  #events: ConnectionEvents | undefined;
  #isClosing = false;
  #error: BusbarError | undefined;
  #closer: NodeJS.Timeout | undefined;
  /** What the close frame says: what the last goaway said. */
  #closeCode = NORMAL;
  #closeReason = '';

  /** Without `form` the peer's first message decides. */
  constructor(socket: WebSocket, form?: Form, maxFrameBytes?: number) {
    this.#socket = socket;
    this.#form = form;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Tells `events` of all that comes. */
  begin(events: ConnectionEvents): void {
    this.#events = events;
    const socket = this.#socket;
    socket.on('message', (data, isBinary) => this.#read(data, isBinary));
    // Pings of the peer were answered by then: either way it lives.
    socket.on('ping', () => this.#heard(ALIVE));
    socket.on('pong', () => this.#heard(ALIVE));
    socket.on('error', (error) => {
      this.#error ??= toError(error);
    });
    socket.on('close', (code, reason) => {
      clearTimeout(this.#closer);
      const isOrderly = this.#isClosing || code === NORMAL || code === GOING_AWAY;
      this.#isClosing = true;
      events.onClose(this.#error ?? (isOrderly ? undefined : toCloseError(code, reason.toString())));
    });
  }

  get buffered(): number {
    return this.#socket.bufferedAmount + this.#outbox.bytes;
  }

  send(each: Frame): void {
    if (this.#isClosing) return;
    if (each.type === FRAME.ping) {
      // Browsers answer a ping of WebSocket by themselves.
      this.#socket.ping();
      return;
    }
    if (each.type === FRAME.goaway) this.#rememberGoodbye(each);
    this.#outbox.add(each);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    if (this.#isClosing) return;
    this.#flush();
    this.#isClosing = true;
    // The peer's answer to the close frame could not be read otherwise.
    this.#socket.resume();
    this.#socket.close(this.#closeCode, this.#closeReason);
    this.#closer = setTimeout(() => this.#socket.terminate(), CLOSE_MS);
  }

  destroy(): void {
    this.#isClosing = true;
    this.#socket.terminate();
  }

  #flush(): void {
    const frames = this.#outbox.take();
    if (frames.length === 0 || this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#form === 'text') for (const each of frames) this.#socket.send(encodeJsonFrame(each), TEXT, this.#sent);
    else for (const packet of toPackets(frames)) this.#socket.send(packet, BINARY, this.#sent);
  }

  /** What went wrong the socket tells at its close. */
  readonly #sent = (): void => {
    if (this.#socket.bufferedAmount === 0) this.#events?.onDrain?.();
  };

  #read(data: RawData, isBinary: boolean): void {
    if (this.#isClosing) return;
    const form = isBinary ? 'binary' : 'text';
    this.#form ??= form;
    let frames: readonly Frame[];
    try {
      if (form !== this.#form) throw bad(`a ${form} message, where the first one was ${this.#form}`);
      // The receiver of ws gives one Buffer, whatever its type says.
      frames = isBinary
        ? readPacket(data as Buffer, this.#maxFrameBytes)
        : [decodeJsonFrame((data as Buffer).toString('utf8'))];
    } catch (error) {
      this.#refuse(toBusbarError(error));
      return;
    }
    this.#heard(frames);
  }

  #heard(frames: readonly Frame[]): void {
    if (!this.#isClosing && frames.length > 0) this.#events?.onFrames(frames);
  }

  #refuse(error: BusbarError): void {
    this.#error = error;
    this.send(frame(FRAME.goaway, 0, { code: error.code, reason: error.message }));
    this.close();
  }

  #rememberGoodbye({ head: { code, reason } }: Frame): void {
    this.#closeCode = CLOSE_CODES[String(code)] ?? GOING_AWAY;
    this.#closeReason = shorten(String(reason ?? ''));
  }
}

/** A close frame has room for 123 bytes. */
function shorten(reason: string): string {
  return Buffer.byteLength(reason) <= MAX_REASON_BYTES ? reason : `${reason.slice(0, MAX_REASON_BYTES / 3)}…`;
}

function toError(error: Error & { readonly code?: string }): BusbarError {
  if (error.code?.startsWith('WS_ERR_')) return bad(`no WebSocket message: ${error.message}`);
  return lost(`the connection broke: ${error.code ?? error.message}`);
}

function toCloseError(code: number, reason: string): BusbarError {
  const why =
    reason === '' ? `with the code ${code}` : `(${code}): ${reason.replace(/[^\p{L}\p{N}\p{P}\p{Zs}]/gu, '?')}`;
  if (code === POLICY) return new BusbarError('PERMISSION_DENIED', `the peer ended the connection ${why}`);
  if (code === TRY_AGAIN_LATER) return lost(`the peer could not keep up and ended the connection ${why}`);
  return lost(`the peer ended the connection ${why}`);
}
