/** A connection over a byte stream: one write for the frames of one turn. */

import type { Duplex } from 'node:stream';
import { type BusbarError, toBusbarError } from '@busbar/api/transport';
import { connectionLost } from '../errors.ts';
import { encodeFrames, FRAME, type Frame, FrameReader, frame, goaway } from '../frames/frame.ts';
import type { ConnectionEvents, LinkConnection } from './connection.ts';
import { PartialFrame } from './partial-frame.ts';
import { WriteBuffer } from './write-buffer.ts';

/**
 * Frames per write within one turn. The peer starts on the first frames while the rest are still being made. Otherwise 64
 * concurrent requests travel as one convoy, and only one of the two processes works at a time.
 */
const MAX_FRAMES_PER_WRITE = 16;
/** How long an orderly close waits for the peer to read. */
const CLOSE_TIMEOUT_MS = 1000;

/** A connection over `stream`. Call {@link UnixConnection.begin} when the receiver of its events exists. */
export class UnixConnection implements LinkConnection {
  readonly #stream: Duplex;
  readonly #reader: FrameReader;
  readonly #writes = new WriteBuffer(() => this.flush(), MAX_FRAMES_PER_WRITE);
  readonly #partial = new PartialFrame();
  #isClosing = false;
  #error: BusbarError | undefined;
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(stream: Duplex, maxFrameBytes?: number) {
    this.#stream = stream;
    this.#reader = new FrameReader(maxFrameBytes);
  }

  /** Starts reading and reports to `events`. */
  begin(events: ConnectionEvents): void {
    const stream = this.#stream;
    stream.on('data', (chunk: Buffer) => this.#read(chunk, events));
    stream.on('drain', () => events.onDrain?.());
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#error ??= connectionLost(`the connection broke: ${error.code ?? error.message}`);
    });
    stream.on('end', () => {
      if (this.#reader.isPartial) this.#error ??= connectionLost('the peer ended within a frame');
      this.close();
    });
    stream.on('close', () => {
      clearTimeout(this.#closeTimer);
      this.#isClosing = true;
      events.onClose(this.#error);
    });
  }

  get buffered(): number {
    return this.#stream.writableLength + this.#writes.bytes;
  }

  send(frame: Frame): void {
    if (!this.#isClosing) this.#writes.add(frame);
  }

  flush(): void {
    if (this.#stream.destroyed) return;
    const frames = this.#writes.take();
    if (frames.length > 0) this.#stream.write(encodeFrames(frames));
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  close(): void {
    if (this.#isClosing) return;
    this.flush();
    this.#isClosing = true;
    this.#stream.end();
    // Reads on and ignores the data; otherwise the end of the peer would go unnoticed.
    this.#stream.resume();
    this.#closeTimer = setTimeout(() => this.#stream.destroy(), CLOSE_TIMEOUT_MS);
    this.#stream.once('finish', () => this.#stream.destroy());
  }

  destroy(): void {
    this.#isClosing = true;
    this.#stream.destroy();
  }

  #read(chunk: Buffer, events: ConnectionEvents): void {
    if (this.#isClosing) return;
    let frames: readonly Frame[];
    try {
      frames = this.#reader.read(chunk);
    } catch (error) {
      this.#error = toBusbarError(error);
      this.send(goaway(this.#error));
      this.close();
      return;
    }
    if (frames.length > 0) this.#partial.ends();
    else if (this.#partial.arrives()) this.send(frame(FRAME.ping));
    events.onFrames(frames);
  }
}
