/** Flow control for ZeroMQ, which queues without limit and without notice: the receiver acknowledges packets. */

/** Bytes that may be in flight to a peer. A single packet may always be. */
const MAX_BYTES = 524_288;
export const MAX_PACKETS = 64;
/** The receiver acknowledges after this many bytes or packets. */
const ACK_BYTES = MAX_BYTES / 4;
const ACK_PACKETS = MAX_PACKETS / 4;

/** The sender's side: queued packets, and packets that the peer has not acknowledged. */
export class SendWindow {
  readonly #queue: Buffer[] = [];
  readonly #inflightSizes: number[] = [];
  #queuedBytes = 0;
  #inflightBytes = 0;

  /** Bytes queued or in flight. */
  get bytes(): number {
    return this.#queuedBytes + this.#inflightBytes;
  }

  /** Whether no packet is queued. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  add(packet: Buffer): void {
    this.#queue.push(packet);
    this.#queuedBytes += packet.length;
  }

  /** Removes the packets that fit into the window and counts them as in flight. */
  *takeSendable(): Generator<Buffer> {
    const sizes = this.#inflightSizes;
    while (sizes.length === 0 || (sizes.length < MAX_PACKETS && this.#inflightBytes < MAX_BYTES)) {
      const packet = this.#queue.shift();
      if (packet === undefined) return;
      this.#queuedBytes -= packet.length;
      this.#inflightBytes += packet.length;
      sizes.push(packet.length);
      yield packet;
    }
  }

  /** The peer acknowledged `count` packets. Returns false if fewer were in flight. */
  acknowledge(count: unknown): boolean {
    const sizes = this.#inflightSizes;
    if (!Number.isSafeInteger(count) || (count as number) < 0 || (count as number) > sizes.length) return false;
    for (const size of sizes.splice(0, count as number)) this.#inflightBytes -= size;
    return true;
  }
}

/** The receiver's side: packets that it has not acknowledged. */
export class ReceiveWindow {
  #packets = 0;
  #bytes = 0;

  /** Counts a packet. Returns false if the peer exceeded its window. */
  add(bytes: number): boolean {
    this.#packets += 1;
    this.#bytes += bytes;
    return this.#packets <= MAX_PACKETS && (this.#packets === 1 || this.#bytes - bytes < MAX_BYTES);
  }

  /** The number of packets to acknowledge now; 0 if it is too early. */
  takeAcknowledgement(): number {
    if (this.#bytes < ACK_BYTES && this.#packets < ACK_PACKETS) return 0;
    const packets = this.#packets;
    this.#packets = 0;
    this.#bytes = 0;
    return packets;
  }
}
