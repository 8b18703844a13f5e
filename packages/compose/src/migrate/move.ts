/** A move of a bus from one store to another: what its parts share. */

/** The steps of a move, in their order. */
export const MOVE_STEPS = ['copy', 'drain', 'transfer', 'verify', 'cutover'] as const;

/**
 * `copy`: the history of topics, while agents work. `drain`: nothing is claimed any more. `transfer`: the source is closed, and
 * all the rest is copied. `verify`: both stores are compared. `cutover`: the source is marked as moved, and the target opens.
 */
export type MoveStep = (typeof MOVE_STEPS)[number];

/** How far a move is. */
export interface MoveProgress {
  readonly step: MoveStep;
  /** Records of this step so far. */
  readonly records: number;
  /** About how long the move still takes, without the time for held messages. */
  readonly leftMs: number;
}

/** Options of a move. */
export interface MoveOptions {
  /** How long leased messages may be settled before the source closes. Default 5,000. Those that are left come again. */
  readonly drainMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: MoveProgress) => void;
}

/** About how long a move takes, by the speed of both backends. Held messages are not in it. */
export interface MoveEstimate {
  /** While agents work. */
  readonly copyMs: number;
  /** While nobody can send or receive. */
  readonly pauseMs: number;
}

/** What a move would do. It changes nothing. */
export interface MovePlan extends MoveEstimate {
  /** Why it cannot be done, each with what to do. Empty if it can. */
  readonly problems: readonly { readonly text: string; readonly hint: string }[];
  /** What the target does not promise and the source does. */
  readonly changes: readonly string[];
  readonly records: RecordCounts;
  /** Bytes of all bodies and values. */
  readonly bytes: number;
}

/** How many records of each kind a store has. */
export interface RecordCounts {
  readonly queues: number;
  readonly messages: number;
  readonly events: number;
  readonly keys: number;
  readonly bindings: number;
  readonly ids: number;
}

/** What a move did. */
export interface MoveReport {
  readonly records: RecordCounts;
  /** How long each step took. */
  readonly ms: Readonly<Record<MoveStep, number>>;
  /** From the moment when nothing was claimed any more until the target opened. */
  readonly pauseMs: number;
  /** What was expected: of the copy before the move, of the pause right before it. */
  readonly estimated: MoveEstimate;
  /** Messages that were leased when the source closed: they are delivered again. At most 1,000 are named. */
  readonly redelivered: { readonly count: number; readonly ids: readonly string[] };
}

/**
 * The key by which a target knows the move that fills it. It and the keys below it, such as `MOVE_KEY`, are no part of the bus, so
 * they are not moved.
 */
export const MARK = '$migrate';
/** The key in which a target keeps where the events of its source end. */
export const CUT = '$migrate/cut';
/** Whether a key belongs to moves and not to the bus. */
export function isOfMoves(key: string): boolean {
  return key === MARK || key.startsWith(`${MARK}/`);
}
