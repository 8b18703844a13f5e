/** How much may be on the way: ZeroMQ queues in silence, so the receiver of packets says how many it took. */

/** So much may be on the way to a peer; a single packet always may. */
const MAX_BYTES = 524_288;
export const MAX_PACKETS = 64;
/** What was taken is told after so many bytes or packets. */
const TELL_BYTES = MAX_BYTES / 4;
const TELL_PACKETS = MAX_PACKETS / 4;

/** The sender's side: packets that wait, and those that the peer has not said it took. */
export class Outbound {
  readonly #waiting: Buffer[] = [];
  readonly #sizes: number[] = [];
  #waitingBytes = 0;
  #sentBytes = 0;

  /** Bytes that wait here or somewhere on the way. */
  get bytes(): number {
    return this.#waitingBytes + this.#sentBytes;
  }

  /** Whether everything has left. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  add(packet: Buffer): void {
    this.#waiting.push(packet);
    this.#waitingBytes += packet.length;
  }

  /** Packets that may leave now. */
  *leaving(): Generator<Buffer> {
    while (this.#sizes.length === 0 || (this.#sizes.length < MAX_PACKETS && this.#sentBytes < MAX_BYTES)) {
      const packet = this.#waiting.shift();
      if (packet === undefined) return;
      this.#waitingBytes -= packet.length;
      this.#sentBytes += packet.length;
      this.#sizes.push(packet.length);
      yield packet;
    }
  }

  /** The peer took `count` packets. False where so many were not on the way. */
  taken(count: unknown): boolean {
    if (!Number.isSafeInteger(count) || (count as number) < 0 || (count as number) > this.#sizes.length) return false;
    for (const size of this.#sizes.splice(0, count as number)) this.#sentBytes -= size;
    return true;
  }
}

/** The receiver's side: what came since the peer was told last. */
export class Inbound {
  #packets = 0;
  #bytes = 0;

  /** A packet came. False where it should have waited for credit. */
  add(bytes: number): boolean {
    this.#packets += 1;
    this.#bytes += bytes;
    return this.#packets <= MAX_PACKETS && (this.#packets === 1 || this.#bytes - bytes < MAX_BYTES);
  }

  /** How many packets are to be told of now; 0 for not yet. */
  told(): number {
    if (this.#bytes < TELL_BYTES && this.#packets < TELL_PACKETS) return 0;
    const packets = this.#packets;
    this.#packets = 0;
    this.#bytes = 0;
    return packets;
  }
}
