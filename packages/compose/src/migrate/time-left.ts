/** How long a move still takes. */

import type { StepEstimate } from './estimate.ts';
import { MOVE_STEPS, type MoveStep } from './move.ts';

/** So much of an estimate is believed before the first measurement. */
const BELIEVED_MS = 1_000;

/** How far a step is. */
export interface StepProgress {
  readonly step: MoveStep;
  /** How much of the step is done: 0 to 1. */
  readonly share: number;
  /** Since the move began, without the time for held messages. */
  readonly elapsedMs: number;
}

/** The rest of the estimate, longer or shorter as what is done took longer or shorter than estimated. */
export function timeLeft(estimated: StepEstimate, { step, share, elapsedMs }: StepProgress): number {
  const at = MOVE_STEPS.indexOf(step);
  const isCounted = (one: MoveStep): boolean => one !== 'drain';
  const sum = (steps: readonly MoveStep[]): number => steps.reduce((ms, one) => ms + estimated[one], 0);
  const ofStep = isCounted(step) ? estimated[step] * Math.min(1, share) : 0;
  const doneMs = sum(MOVE_STEPS.slice(0, at).filter(isCounted)) + ofStep;
  const restMs = sum(MOVE_STEPS.slice(at)) - ofStep;
  return Math.round((restMs * (elapsedMs + BELIEVED_MS)) / (doneMs + BELIEVED_MS));
}
