/** The pause after connections that ended soon: a server that drops a client again and again is not asked in a loop. */

/** A connection that ends earlier counts. */
const BRIEF_MS = 1_000;
/** So many in a row are replaced at once: servers restart, and networks break twice. */
const FREE = 5;
const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 1_000;

/** Counts the brief connections of one client. */
export class BriefConnections {
  #openedAt = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** A connection begins. */
  opened(): void {
    this.#openedAt = performance.now();
  }

  /** A connection ended. Returns how long to wait before the next one, in milliseconds. */
  ended(): number {
    this.#count = performance.now() - this.#openedAt < BRIEF_MS ? this.#count + 1 : 0;
    return this.#count <= FREE ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#count - FREE - 1));
  }
}
