/** Keeps the stream short: now and then it writes a snapshot, and purges what that makes superfluous. */

import type { Replica } from './replica.ts';
import { PLACES } from './state/history.ts';
import { takeSnapshot } from './state/snapshot.ts';

/** A snapshot is worth its while when so much was written since the last, or as much as that one took. */
const MIN_BYTES = 8 * 1024 * 1024;
const MIN_RECORDS = 20_000;
/** The record that is one too many makes its author begin; the others wait for that. */
const OTHERS_MS = 5_000;

/** The janitor of one transport. */
export class Janitor {
  readonly #replica: Replica;
  #bytes = 0;
  #records = 0;
  #lastSize = 0;
  #work: Promise<void> | undefined;
  #later: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(replica: Replica) {
    this.#replica = replica;
    replica.observe({
      ready: () => undefined,
      used: () => undefined,
      moved: (bytes, isOwn) => this.#count(bytes, isOwn),
      reloaded: () => undefined,
    });
  }

  /** Another client has written a snapshot of so many bytes. */
  relieved(size: number): void {
    this.#bytes = 0;
    this.#records = 0;
    this.#lastSize = size;
    clearTimeout(this.#later);
    this.#later = undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#later);
    await this.#work;
  }

  #count(bytes: number, isOwn: boolean): void {
    this.#bytes += bytes;
    this.#records += 1;
    const isDue = this.#bytes > Math.max(MIN_BYTES, this.#lastSize) || this.#records > MIN_RECORDS;
    if (!isDue || this.#work !== undefined || this.#isClosed) return;
    if (isOwn) this.#begin();
    else this.#later ??= setTimeout(() => this.#begin(), OTHERS_MS * (1 + Math.random())).unref();
  }

  #begin(): void {
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#work ??= this.#write().then(
      () => {
        this.#work = undefined;
      },
      () => {
        this.#work = undefined; // The next record brings it up again.
      },
    );
  }

  /** Pieces, then the mark that makes them a snapshot; only then what is in it goes. */
  async #write(): Promise<void> {
    const { link, manager, names, sequence, state } = this.#replica;
    const pieces = takeSnapshot(state);
    const events = Math.min(sequence, Math.floor(state.history.trimmed / PLACES));
    this.relieved(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let first = 0;
    for (const piece of pieces) {
      const { seq } = await publish(this.#replica, names.piece, piece);
      if (first === 0) first = seq;
    }
    await publish(
      this.#replica,
      names.mark,
      Buffer.from(JSON.stringify({ v: 1, upTo: sequence, first, count: pieces.length })),
    );
    if (!link.isUp) return;
    for (const filter of [names.log, names.piece, names.mark]) {
      await manager.streams.purge(names.stream, { filter, seq: sequence + 1 });
    }
    if (events > 0) await manager.streams.purge(names.stream, { filter: names.events, seq: events });
  }
}

async function publish({ link }: Replica, subject: string, data: Uint8Array): Promise<{ readonly seq: number }> {
  const answer = await link.connection.request(subject, data, { timeout: 10_000 });
  const { seq, error } = answer.json<{ seq?: number; error?: { err_code: number } }>();
  if (seq === undefined) throw new Error(`the stream refused a snapshot (${error?.err_code})`);
  return { seq };
}
