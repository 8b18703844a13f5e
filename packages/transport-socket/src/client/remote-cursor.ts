/** A cursor over a stream that the hub reads for this client. It is opened again after a lost connection. */

import type { CallContext } from '@busbar/api/driver';
import type { Frame, Header } from '@busbar/wire';
import type { HubClient } from './hub-client.ts';
import { type PendingRequest, ResponseLost } from './pending-request.ts';

/** The stream of a {@link RemoteCursor}. */
export interface RemoteStream {
  /** The operation that opens it. */
  readonly op: string;
  /** Where to begin. It changes as the stream is read. */
  header(): Header;
  onOpened?(response: Frame): void;
  /** The position moved while the cursor waits. */
  onMoved?(item: Frame): void;
}

/** Requests one batch at a time, which gives the hub credit for that batch. */
export class RemoteCursor {
  readonly #client: HubClient;
  readonly #stream: RemoteStream;
  #cursor: number | undefined;
  /** The connection of {@link #cursor}. */
  #epoch = -1;
  #inflight: { readonly request: PendingRequest; readonly isOpening: boolean } | undefined;
  #isClosed = false;

  constructor(client: HubClient, stream: RemoteStream) {
    this.#client = client;
    this.#stream = stream;
  }

  /** Opens the cursor. All rejections are final, except for a lost connection. */
  async open(context?: CallContext): Promise<void> {
    const { op } = this.#stream;
    const deadline = context?.deadline ?? Number.POSITIVE_INFINITY;
    const request = this.#client.start({ op, header: () => this.#stream.header(), deadline, whenLost: 'repeat' });
    const opened = await this.#wait(request, true);
    this.#cursor = request.id;
    this.#epoch = request.epoch;
    this.#stream.onOpened?.(opened);
    if (this.#isClosed) this.#closeAtHub();
  }

  /** The next batch; undefined after the close. */
  async next(max: number): Promise<Frame | undefined> {
    while (!this.#isClosed) {
      try {
        if (this.#epoch !== this.#client.epoch) await this.open();
        if (this.#isClosed) break;
        return await this.nextOnce(max);
      } catch (error) {
        if (this.#isClosed) break;
        if (!(error instanceof ResponseLost)) throw error;
      }
    }
    return undefined;
  }

  /** The next batch of a stream that cannot be resumed. A lost connection rejects it. */
  async nextOnce(max: number): Promise<Frame> {
    if (this.#epoch !== this.#client.epoch) throw new ResponseLost('failed');
    const request = this.#client.start({
      op: 'cursor.next',
      header: { cursor: this.#cursor, max },
      deadline: Number.POSITIVE_INFINITY,
      whenLost: 'fail',
      isWait: true,
      onItem: (item) => this.#stream.onMoved?.(item),
    });
    return this.#wait(request, false);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // A cursor that is still opening must be closed at the hub: the response contains its number.
    if (this.#inflight !== undefined) {
      const { request, isOpening } = this.#inflight;
      this.#client.cancel(request.id, { ignoreResponse: !isOpening });
    }
    this.#closeAtHub();
  }

  /** Waits for a request that {@link RemoteCursor.close} can cancel, with or without a connection. */
  async #wait(request: PendingRequest, isOpening: boolean): Promise<Frame> {
    this.#inflight = { request, isOpening };
    try {
      return await request.response;
    } finally {
      this.#inflight = undefined;
    }
  }

  #closeAtHub(): void {
    if (this.#cursor === undefined || this.#epoch !== this.#client.epoch) return;
    const header = { cursor: this.#cursor };
    this.#cursor = undefined;
    void this.#client.tell('cursor.close', header);
  }
}
