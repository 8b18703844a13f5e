/** Waits after an error that passes: a store is away, full, frozen, or being moved. */

import { isBusbarError, type Transport } from '@busbar/api/transport';
import { pause } from '../pause.ts';
import type { StoreEnds } from '../store-end.ts';
import type { ProgressCounter } from './progress.ts';

const FIRST_MS = 50;
const MAX_MS = 5_000;
/** The most that the read of a gate may take. */
const GATE_MS = 2_000;

/** What a {@link Patience} works with. */
export interface PatienceOptions {
  readonly ends: StoreEnds;
  readonly progress: ProgressCounter;
  /** Ends a wait. */
  readonly stop: AbortSignal;
  /** The part of the bridge that waits. */
  readonly what?: string;
}

/** The patience of one part of a bridge. */
export class Patience {
  readonly #options: Required<PatienceOptions>;
  #waitMs = FIRST_MS;

  constructor(options: PatienceOptions) {
    this.#options = { what: 'bridge', ...options };
  }

  /** Waits after an error that passes, each time longer. Throws every other error. */
  async after(error: unknown): Promise<void> {
    const { ends, progress, stop, what } = this.#options;
    if (stop.aborted) return;
    if (!(await passes(error, ends))) throw error;
    progress.waits(what, error);
    await pause(this.#waitMs * (0.5 + Math.random() / 2), stop);
    this.#waitMs = Math.min(MAX_MS, this.#waitMs * 2);
  }

  /** The work has succeeded. */
  succeeded(): void {
    const { progress, what } = this.#options;
    this.#waitMs = FIRST_MS;
    progress.goesOn(what);
  }
}

async function passes(error: unknown, { from, to }: StoreEnds): Promise<boolean> {
  if (!isBusbarError(error)) return false;
  if (error.retryable || error.code === 'ABORTED') return true;
  // A frozen queue or a gate, as a store says it. The bridge's own conflict has no transport.
  if (error.code !== 'CONFLICT' || error.transport === undefined) return false;
  const moved = await Promise.all([hasMoved(from.transport), hasMoved(to.transport)]);
  return !moved.includes(true);
}

/** Whether the bus of a store has moved for good. */
async function hasMoved({ admin, capabilities }: Transport): Promise<boolean> {
  if (!capabilities.features.gate) return false;
  try {
    return (await admin.gate({ timeoutMs: GATE_MS })).state === 'moved';
  } catch (error) {
    if (!isBusbarError(error)) throw error;
    return false;
  }
}
