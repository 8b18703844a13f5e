/** Signs of life to a peer whose frame takes long to arrive. */

/** Shorter than any peer waits for a sign. */
const SIGN_MS = 1_000;

/**
 * A frame that is arriving. A slow network needs longer for a large one than its sender waits for a sign, and no answer can come
 * before the frame is whole.
 */
export class PartialFrame {
  #since: number | undefined;

  /** A part has arrived. Returns whether the sender needs a sign. */
  arrives(): boolean {
    const now = performance.now();
    this.#since ??= now;
    if (now - this.#since < SIGN_MS) return false;
    this.#since = now;
    return true;
  }

  /** It is whole. */
  ends(): void {
    this.#since = undefined;
  }
}
