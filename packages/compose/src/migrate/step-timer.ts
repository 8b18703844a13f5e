/** The steps of a move: how long each one took, how far it is, and how long the rest takes. */

import type { StateRecord } from '@busbar/api/transport';
import type { StoreEnds } from '../store-end.ts';
import { estimateSteps, type StepEstimate, toMoveEstimate } from './estimate.ts';
import type { MoveEstimate, MoveOptions, MoveStep, RecordCounts } from './move.ts';
import { isPart, RecordCounter, totalOf } from './record-counter.ts';
import { timeLeft } from './time-left.ts';

/** Records between two reports. */
const REPORTED = 1_000;

/** Times the steps and reports the progress. */
export class StepTimer {
  readonly ms: Record<MoveStep, number> = { copy: 0, drain: 0, transfer: 0, verify: 0, cutover: 0 };
  readonly #ends: StoreEnds;
  readonly #options: MoveOptions;
  readonly #copyMs: number;
  #counts: RecordCounts;
  #estimated: StepEstimate;

  /** `counts`: what the listings of the source say. */
  constructor(ends: StoreEnds, options: MoveOptions, counts: RecordCounts) {
    this.#ends = ends;
    this.#options = options;
    this.#counts = counts;
    this.#estimated = estimateSteps(ends, counts);
    this.#copyMs = this.#estimated.copy;
  }

  /** The estimate as it was when the move began, and the one of the pause as it was when the pause began. */
  get estimated(): MoveEstimate {
    return { ...toMoveEstimate(this.#estimated), copyMs: this.#copyMs };
  }

  async run<T>(step: MoveStep, work: () => Promise<T>): Promise<T> {
    this.#options.signal?.throwIfAborted();
    const began = performance.now();
    this.#report(step, { records: 0, share: 0, tookMs: 0 });
    try {
      return await work();
    } finally {
      this.ms[step] += performance.now() - began;
    }
  }

  /** The records of a step that are wanted. */
  async *records(
    step: MoveStep,
    records: AsyncIterable<StateRecord>,
    isWanted: (record: StateRecord) => boolean,
  ): AsyncGenerator<StateRecord> {
    const began = performance.now();
    const total = totalOf(this.#counts);
    const counter = new RecordCounter();
    let [read, count] = [0, 0];
    const report = (share: number): void =>
      this.#report(step, { records: count, share, tookMs: performance.now() - began });
    for await (const record of records) {
      if (record.kind !== 'revision' && !isPart(record)) continue;
      counter.add(record);
      read += 1;
      const wanted = isWanted(record);
      if (wanted && isPart(record)) count += 1;
      if (read % REPORTED === 0) report(read / total);
      if (wanted) yield record;
    }
    if (step === 'copy') {
      // The first export of the whole source.
      this.#counts = counter.counts;
      this.#estimated = estimateSteps(this.#ends, this.#counts);
    }
    report(1);
  }

  #report(
    step: MoveStep,
    { records, share, tookMs }: { readonly records: number; readonly share: number; readonly tookMs: number },
  ): void {
    const { copy, transfer, verify } = this.ms;
    const leftMs = timeLeft(this.#estimated, { step, share, elapsedMs: copy + transfer + verify + tookMs });
    this.#options.onProgress?.({ step, records, leftMs });
  }
}
