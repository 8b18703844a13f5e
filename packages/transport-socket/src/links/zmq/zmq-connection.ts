/** A connection over ZeroMQ: frames of one turn in one message, and no more on the way than the peer takes. */

import { type BusbarError, toBusbarError } from '@busbar/api/transport';
import { bad, encodeFrames, FRAME, type Frame, frame } from '../../wire/frame.ts';
import { readPacket, toPackets } from '../../wire/packet.ts';
import type { Connection, ConnectionEvents } from '../link.ts';
import { lost } from '../unix/unix-connection.ts';
import { Outbox } from '../write-buffer.ts';
import { Inbound, Outbound } from './packet-window.ts';

/** How long a peer may take what was sent before an orderly end. */
const CLOSE_MS = 1000;

/** The socket below a connection. */
export interface Outlet {
  /** Hands over a packet. Rejects where the peer is not there or its queue is full. */
  post(packet: Buffer): Promise<void>;
  /** The connection is over: what was posted may still leave. */
  release(): void;
}

/** A connection over an {@link Outlet}. Whoever reads the socket hands it what comes. */
export class ZmqConnection implements Connection {
  readonly #outlet: Outlet;
  readonly #maxFrameBytes: number | undefined;
  readonly #outbound = new Outbound();
  readonly #inbound = new Inbound();
  readonly #outbox = new Outbox(() => this.#flush());
  /** What came while it was paused. */
  readonly #held: (readonly Frame[])[] = [];
  #isPaused = false;
  #events: ConnectionEvents | undefined;
  #isClosing = false;
  #isOver = false;
  #closer: NodeJS.Timeout | undefined;

  constructor(outlet: Outlet, maxFrameBytes?: number) {
    this.#outlet = outlet;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Tells `events` of all that comes. */
  begin(events: ConnectionEvents): void {
    this.#events = events;
  }

  get buffered(): number {
    return this.#outbound.bytes + this.#outbox.bytes;
  }

  send(each: Frame): void {
    if (!this.#isClosing) this.#outbox.add(each);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    while (!this.#isPaused) {
      const frames = this.#held.shift();
      if (frames === undefined) break;
      this.#hear(frames);
    }
    this.#tellTaken();
  }

  close(): void {
    if (this.#isClosing) return;
    this.#flush();
    this.#isClosing = true;
    if (this.#outbound.isEmpty) this.#end(undefined);
    else this.#closer = setTimeout(() => this.#end(undefined), CLOSE_MS);
  }

  destroy(): void {
    this.#end(undefined);
  }

  /** The socket below, or the peer, is no more. */
  broke(error: BusbarError | undefined): void {
    this.#end(error);
  }

  /** Takes what the peer sent. */
  take(packet: Buffer): void {
    if (this.#isOver) return;
    try {
      const frames = readPacket(packet, this.#maxFrameBytes);
      if (frames.every(isCredit)) for (const each of frames) this.#credited(each);
      else this.#took(packet.length, frames);
    } catch (error) {
      this.refuse(toBusbarError(error));
    }
  }

  /** Ends it, and tells the peer why. */
  refuse(error: BusbarError): void {
    this.send(frame(FRAME.goaway, 0, { code: error.code, reason: error.message }));
    this.#flush();
    this.#end(error);
  }

  #took(bytes: number, frames: readonly Frame[]): void {
    if (!this.#inbound.add(bytes)) throw bad('more is sent than there was credit for');
    this.#tellTaken();
    if (this.#isPaused) this.#held.push(frames);
    else this.#hear(frames);
  }

  #hear(frames: readonly Frame[]): void {
    if (this.#isClosing) return;
    this.#events?.onFrames(frames);
    // The peer that said goodbye cannot end a connection of ZeroMQ: this side does.
    if (frames.some(({ type }) => type === FRAME.goaway)) this.close();
  }

  #tellTaken(): void {
    const count = this.#isPaused ? 0 : this.#inbound.told();
    if (count > 0) this.#post(encodeFrames([frame(FRAME.credit, 0, { count })]));
  }

  #credited({ head }: Frame): void {
    if (!this.#outbound.taken(head['count'])) throw bad('credit for what was never sent');
    this.#leave();
    if (!this.#outbound.isEmpty) return;
    if (this.#isClosing) this.#end(undefined);
    else this.#events?.onDrain?.();
  }

  #flush(): void {
    const frames = this.#outbox.take();
    if (frames.length === 0 || this.#isOver) return;
    for (const packet of toPackets(frames)) this.#outbound.add(packet);
    this.#leave();
  }

  #leave(): void {
    for (const packet of this.#outbound.leaving()) this.#post(packet);
  }

  /** What cannot be handed over was dropped: then the connection is broken, never silent. */
  #post(packet: Buffer): void {
    this.#outlet.post(packet).catch((error: NodeJS.ErrnoException) => {
      this.#end(lost(error.code === 'EAGAIN' ? 'the peer takes nothing' : `the peer has gone: ${error.code ?? error}`));
    });
  }

  #end(error: BusbarError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isClosing = true;
    clearTimeout(this.#closer);
    this.#outlet.release();
    // Nobody is told of the end of what it is just ending.
    queueMicrotask(() => this.#events?.onClose(error));
  }
}

function isCredit({ type, id }: Frame): boolean {
  return type === FRAME.credit && id === 0;
}
