/** A connection over a stream of bytes: frames of one turn in one write, frames of one read together. */

import type { Duplex } from 'node:stream';
import { BusbarError, isBusbarError, toBusbarError } from '@busbar/api/transport';
import { encodeFrames, FRAME, type Frame, FrameReader, frame } from '../../wire/frame.ts';
import type { Connection, ConnectionEvents } from '../link.ts';

/**
 * So many frames leave at once, also within a turn: the peer begins with the first while the rest are still being made.
 * Else 64 requests under way travel as one convoy, and only one of the processes works at a time.
 */
const AT_ONCE = 16;
/** How long a peer may take what was sent before an orderly end. */
const CLOSE_MS = 1000;

/** A connection over `stream`. Call {@link StreamConnection.begin} once somebody listens. */
export class StreamConnection implements Connection {
  readonly #stream: Duplex;
  readonly #reader: FrameReader;
  #outgoing: Frame[] = [];
  #isClosing = false;
  #error: BusbarError | undefined;
  #closer: NodeJS.Timeout | undefined;

  constructor(stream: Duplex, maxFrameBytes?: number) {
    this.#stream = stream;
    this.#reader = new FrameReader(maxFrameBytes);
  }

  /** Tells `events` of all that comes. */
  begin(events: ConnectionEvents): void {
    const stream = this.#stream;
    stream.on('data', (piece: Buffer) => this.#read(piece, events));
    stream.on('drain', () => events.onDrain?.());
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#error ??= lost(`the connection broke: ${error.code ?? error.message}`);
    });
    stream.on('end', () => {
      if (this.#reader.isWithin) this.#error ??= lost('the peer ended in the middle of a frame');
      this.close();
    });
    stream.on('close', () => {
      clearTimeout(this.#closer);
      this.#isClosing = true;
      events.onClose(this.#error);
    });
  }

  get buffered(): number {
    return this.#stream.writableLength;
  }

  send(frame: Frame): void {
    if (this.#isClosing) return;
    if (this.#outgoing.length === 0) queueMicrotask(() => process.nextTick(() => this.#flush()));
    this.#outgoing.push(frame);
    if (this.#outgoing.length >= AT_ONCE) this.#flush();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  close(): void {
    if (this.#isClosing) return;
    this.#flush();
    this.#isClosing = true;
    this.#stream.end();
    // A peer that sends on is read on, and unheard: else its end would not be noticed.
    this.#stream.resume();
    this.#closer = setTimeout(() => this.#stream.destroy(), CLOSE_MS);
    this.#stream.once('finish', () => this.#stream.destroy());
  }

  destroy(): void {
    this.#isClosing = true;
    this.#stream.destroy();
  }

  /** Microtasks have run by then, so that all answers of one commit leave together. */
  #flush(): void {
    const frames = this.#outgoing;
    if (frames.length === 0 || this.#stream.destroyed) return;
    this.#outgoing = [];
    this.#stream.write(encodeFrames(frames));
  }

  #read(piece: Buffer, events: ConnectionEvents): void {
    if (this.#isClosing) return;
    let frames: readonly Frame[];
    try {
      frames = this.#reader.read(piece);
    } catch (error) {
      this.#refuse(isBusbarError(error) ? error : toBusbarError(error));
      return;
    }
    if (frames.length > 0) events.onFrames(frames);
  }

  #refuse(error: BusbarError): void {
    this.#error = error;
    this.send(frame(FRAME.goaway, 0, { code: error.code, reason: error.message }));
    this.close();
  }
}

/** UNAVAILABLE: a connection that is no more. */
export function lost(what: string): BusbarError {
  return new BusbarError('UNAVAILABLE', what, { hint: 'The transport connects again by itself.' });
}
