/** A connection over ZeroMQ: one message for the frames of one turn, with flow control by the peer. */

import { type BusbarError, toBusbarError } from '@busbar/api/transport';
import {
  type ConnectionEvents,
  connectionLost,
  encodeFrames,
  FRAME,
  type Frame,
  frame,
  goaway,
  type LinkConnection,
  protocolError,
  WriteBuffer,
} from '@busbar/wire';
import { readPacket, toPackets } from '../../wire/packet.ts';
import { ReceiveWindow, SendWindow } from './packet-window.ts';

/** How long an orderly close waits for the peer. */
const CLOSE_TIMEOUT_MS = 1000;

/** The socket below a connection. */
export interface PacketSocket {
  /** Sends a packet. Rejects if the peer is not connected or its queue is full. */
  send(packet: Buffer): Promise<void>;
  /** Called when the connection is over. Packets that were sent may still leave. */
  close(): void;
}

/** A connection over a {@link PacketSocket}. The reader of the socket calls {@link ZmqConnection.receive}. */
export class ZmqConnection implements LinkConnection {
  readonly #socket: PacketSocket;
  readonly #maxFrameBytes: number | undefined;
  readonly #sendWindow = new SendWindow();
  readonly #receiveWindow = new ReceiveWindow();
  readonly #writes = new WriteBuffer(() => this.flush());
  /** Frames that arrived while the connection was paused. */
  readonly #paused: (readonly Frame[])[] = [];
  #isPaused = false;
  #events: ConnectionEvents | undefined;
  #isClosing = false;
  #isOver = false;
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(socket: PacketSocket, maxFrameBytes?: number) {
    this.#socket = socket;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Reports to `events` from now on. */
  begin(events: ConnectionEvents): void {
    this.#events = events;
  }

  get buffered(): number {
    return this.#sendWindow.bytes + this.#writes.bytes;
  }

  send(each: Frame): void {
    if (!this.#isClosing) this.#writes.add(each);
  }

  flush(): void {
    const frames = this.#writes.take();
    if (frames.length === 0 || this.#isOver) return;
    for (const packet of toPackets(frames)) this.#sendWindow.add(packet);
    this.#sendPackets();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    while (!this.#isPaused) {
      const frames = this.#paused.shift();
      if (frames === undefined) break;
      this.#deliver(frames);
    }
    this.#acknowledge();
  }

  close(): void {
    if (this.#isClosing) return;
    this.flush();
    this.#isClosing = true;
    if (this.#sendWindow.isEmpty) this.#end(undefined);
    else this.#closeTimer = setTimeout(() => this.#end(undefined), CLOSE_TIMEOUT_MS);
  }

  destroy(): void {
    this.#end(undefined);
  }

  /** Ends the connection because the socket broke or the peer disconnected. */
  fail(error: BusbarError): void {
    this.#end(error);
  }

  /** Handles a packet of the peer. */
  receive(packet: Buffer): void {
    if (this.#isOver) return;
    try {
      const frames = readPacket(packet, this.#maxFrameBytes);
      if (frames.every(isAcknowledgement)) for (const each of frames) this.#onAcknowledged(each);
      else this.#onPacket(packet.length, frames);
    } catch (error) {
      this.refuse(toBusbarError(error));
    }
  }

  /** Sends the reason to the peer and ends the connection. */
  refuse(error: BusbarError): void {
    this.send(goaway(error));
    this.flush();
    this.#end(error);
  }

  #onPacket(bytes: number, frames: readonly Frame[]): void {
    if (!this.#receiveWindow.add(bytes)) throw protocolError('the peer sent more than its window allows');
    this.#acknowledge();
    if (this.#isPaused) this.#paused.push(frames);
    else this.#deliver(frames);
  }

  #deliver(frames: readonly Frame[]): void {
    if (this.#isClosing) return;
    this.#events?.onFrames(frames);
    // A peer cannot end a ZeroMQ connection from its side, so its goaway ends it here.
    if (frames.some(({ type }) => type === FRAME.goaway)) this.close();
  }

  #acknowledge(): void {
    const count = this.#isPaused ? 0 : this.#receiveWindow.takeAcknowledgement();
    if (count > 0) this.#sendPacket(encodeFrames([frame(FRAME.credit, 0, { count })]));
  }

  #onAcknowledged({ header }: Frame): void {
    if (!this.#sendWindow.acknowledge(header['count'])) throw protocolError('credit for packets that were never sent');
    this.#sendPackets();
    if (!this.#sendWindow.isEmpty) return;
    if (this.#isClosing) this.#end(undefined);
    else this.#events?.onDrain?.();
  }

  #sendPackets(): void {
    for (const packet of this.#sendWindow.takeSendable()) this.#sendPacket(packet);
  }

  /** ZeroMQ dropped a packet that it rejects, so the connection must end. */
  #sendPacket(packet: Buffer): void {
    this.#socket.send(packet).catch((error: NodeJS.ErrnoException) => {
      const reason =
        error.code === 'EAGAIN' ? 'the peer takes nothing' : `the peer has disconnected: ${error.code ?? error}`;
      this.#end(connectionLost(reason));
    });
  }

  #end(error: BusbarError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isClosing = true;
    clearTimeout(this.#closeTimer);
    this.#socket.close();
    // In a microtask, so that a caller of close() does not receive the event within its own call.
    queueMicrotask(() => this.#events?.onClose(error));
  }
}

function isAcknowledgement({ type, id }: Frame): boolean {
  return type === FRAME.credit && id === 0;
}
