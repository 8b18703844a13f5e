/** How long a move takes, by what is moved and how fast each backend is. */

import type { Transport } from '@busbar/api/transport';
import type { StoreEnds } from '../store-end.ts';
import type { MoveEstimate, MoveStep, RecordCounts } from './move.ts';
import { totalOf } from './record-counter.ts';

/** Microseconds for a record: a message, an event, a key, a remembered id … */
interface Speed {
  readonly readUs: number;
  readonly writeUs: number;
}

/** Measured, with the work of the mover in it: see the figures in `docs/migrating.md`. */
const SPEEDS: Readonly<Record<string, Speed>> = {
  memory: { readUs: 10, writeUs: 12 },
  sqlite: { readUs: 12, writeUs: 20 },
  redis: { readUs: 18, writeUs: 25 },
  nats: { readUs: 40, writeUs: 45 },
};
/** Of any other backend, such as a hub. */
const OTHER: Speed = { readUs: 40, writeUs: 45 };
/** What a step takes without any record. */
const STEP_MS = 100;

/** How long each step takes. Messages that are held when it begins are not in it. */
export type StepEstimate = Readonly<Record<MoveStep, number>>;

export function estimateSteps({ from, to }: StoreEnds, counts: RecordCounts): StepEstimate {
  const [all, { events }] = [totalOf(counts), counts];
  const [source, target] = [speedOf(from.transport), speedOf(to.transport)];
  return {
    // Each step that copies reads all of the source.
    copy: toMs(all * source.readUs + events * target.writeUs),
    drain: STEP_MS,
    transfer: toMs(all * source.readUs + (all - events) * target.writeUs),
    verify: toMs(all * target.readUs),
    cutover: STEP_MS,
  };
}

/** The estimate as a plan and a report say it. */
export function toMoveEstimate({ copy, ...others }: StepEstimate): MoveEstimate {
  return { copyMs: copy, pauseMs: Object.values(others).reduce((sum, ms) => sum + ms, 0) };
}

function speedOf({ name }: Transport): Speed {
  return SPEEDS[name] ?? OTHER;
}

function toMs(us: number): number {
  return STEP_MS + Math.ceil(us / 1_000);
}
