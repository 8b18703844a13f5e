// A peer that writes arbitrary bytes and records the frames of the hub.

import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { waitFor } from '@busbar/testbed';
import { encodeFrames, FRAME, type Frame, FrameReader, frame, type Header } from '@busbar/wire';

/** A raw connection to a hub. */
export class RawPeer implements AsyncDisposable {
  readonly frames: Frame[] = [];
  readonly socket: Socket;
  isOver = false;
  readonly #reader = new FrameReader(2 ** 28);

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on('data', (bytes: Buffer) => this.frames.push(...this.#reader.read(bytes)));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.isOver = true;
    });
  }

  /** A peer after hello and welcome. */
  static async welcomed(path: string, hello: Header = {}): Promise<RawPeer> {
    const peer = new RawPeer(path);
    peer.send(frame(FRAME.hello, 0, { version: 1, token: tokenOf(path), heartbeatMs: 60_000, ...hello }));
    await peer.frame(({ type }) => type === FRAME.welcome);
    return peer;
  }

  send(...frames: readonly Frame[]): void {
    this.write(encodeFrames(frames));
  }

  write(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  /** The first frame that matches, received already or later. */
  frame(matches: (frame: Frame) => boolean): Promise<Frame> {
    return waitFor(() => this.frames.find(matches), { what: 'a frame of the hub' });
  }

  /** Sends a request; resolves with its response or error. */
  async request(id: number, header: Header, bodies: readonly Uint8Array[] = []): Promise<Frame> {
    this.send(frame(FRAME.request, id, header, bodies));
    return this.frame((each) => each.id === id && (each.type === FRAME.response || each.type === FRAME.error));
  }

  /** Resolves with the reason when the hub has ended the connection. */
  async refused(timeoutMs?: number): Promise<string> {
    await waitFor(() => this.isOver, { what: 'the end of the connection', ...(timeoutMs && { timeoutMs }) });
    const goodbye = this.frames.find(({ type }) => type === FRAME.goaway);
    return String(goodbye?.header['reason']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await waitFor(() => this.isOver, { what: 'the socket to close' });
  }
}

/** The token beside a socket. */
export function tokenOf(path: string): string {
  return readFileSync(`${path}.token`, 'utf8').trim();
}
