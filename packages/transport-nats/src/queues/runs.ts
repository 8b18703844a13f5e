/** Sequences as runs: neighbours take the room of one. */

import type { Lane } from '../connection/names.ts';

/** Sequences by lane: the first and the length of each run. */
export type Runs = Readonly<Partial<Record<Lane, readonly number[]>>>;

/** The settled messages of a lane: runs as of the last compaction, and those since then, each with its receive. */
export class SettledSet {
  readonly recent: Map<number, number> = new Map();
  readonly #runs: readonly number[];

  constructor(runs: readonly number[] = []) {
    this.#runs = runs;
  }

  /** The receive that settled a message; 0 if it is no longer known, undefined if the message is not settled. */
  get(seq: number): number | undefined {
    return this.recent.get(seq) ?? (this.#isInRun(seq) ? 0 : undefined);
  }

  /** The runs of all from `from` up to `to`. */
  runs(from: number, to: number = Number.POSITIVE_INFINITY): number[] {
    const all: [number, number][] = [...this.recent.keys()].map((seq) => [seq, seq]);
    for (let at = 0; at < this.#runs.length; at += 2) {
      const first = this.#runs[at] ?? 0;
      all.push([first, first + (this.#runs[at + 1] ?? 0) - 1]);
    }
    return merge(all.map(([first, last]) => [Math.max(first, from), Math.min(last, to)]));
  }

  #isInRun(seq: number): boolean {
    let [low, high] = [0, this.#runs.length / 2];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#runs[2 * middle] ?? 0) <= seq) low = middle + 1;
      else high = middle;
    }
    return low > 0 && seq < (this.#runs[2 * low - 2] ?? 0) + (this.#runs[2 * low - 1] ?? 0);
  }
}

/** Runs of the numbers from the first to the last of each pair. A pair that ends before it begins has none. */
function merge(pairs: readonly (readonly [number, number])[]): number[] {
  const runs: number[] = [];
  let next = Number.NaN;
  for (const [first, last] of [...pairs].sort(([one], [other]) => one - other)) {
    if (first > last) continue;
    if (first === next) runs[runs.length - 1] = (runs.at(-1) ?? 0) + last - first + 1;
    else runs.push(first, last - first + 1);
    next = last + 1;
  }
  return runs;
}

/** Lists of sequences as runs. */
export function runsOf(lists: Readonly<Partial<Record<Lane, readonly number[]>>>): Runs {
  return Object.fromEntries(lanesOf(lists).map(([lane, seqs]) => [lane, merge(seqs.map((seq) => [seq, seq]))]));
}

/** `runs` without those of `gone`, each of which is a part of one of them, or of none. */
export function subtract(runs: readonly number[], gone: readonly number[]): number[] {
  const left: [number, number][] = [];
  for (let at = 0, next = 0; at < runs.length; at += 2) {
    let first = runs[at] ?? 0;
    const end = first + (runs[at + 1] ?? 0);
    for (; (gone[next] ?? end) < end; next += 2) {
      const from = gone[next] ?? 0;
      left.push([first, from - 1]);
      first = Math.max(first, from + (gone[next + 1] ?? 0));
    }
    left.push([first, end - 1]);
  }
  return merge(left);
}

/** How many sequences there are in runs. */
export function countOf(runs: readonly number[]): number {
  return runs.reduce((count, each, at) => (at % 2 === 0 ? count : count + each), 0);
}

/** Calls `act` for each sequence. */
export function forEachOf(runs: Runs, act: (lane: Lane, seq: number) => void): void {
  for (const [lane, list] of lanesOf(runs)) {
    for (let at = 0; at < list.length; at += 2) {
      const first = list[at] ?? 0;
      for (let seq = first; seq < first + (list[at + 1] ?? 0); seq += 1) act(lane, seq);
    }
  }
}

/** Adds to a list of a lane. */
export function push(lists: Partial<Record<Lane, number[]>>, lane: Lane, seq: number): void {
  const list = lists[lane] ?? [];
  list.push(seq);
  lists[lane] = list;
}

export function lanesOf(runs: Runs): [Lane, readonly number[]][] {
  return Object.entries(runs) as [Lane, readonly number[]][];
}
