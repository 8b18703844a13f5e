/** The account of a run: what was sent, and what was lost, doubled or reordered on the way. */

/** Messages of one run, over all its processes. */
export interface Tally {
  /** Deliveries that had to happen: messages, or events times subscribers. */
  readonly expected: number;
  readonly lost: number;
  readonly doubled: number;
  /** Counted only where one producer sends one message at a time to one consumer. */
  readonly reordered: number;
}

/** Nothing was expected, nothing happened. */
export const NO_TALLY: Tally = { expected: 0, lost: 0, doubled: 0, reordered: 0 };

export function addTallies(tallies: readonly Tally[]): Tally {
  const sum = (key: keyof Tally): number => tallies.reduce((total, tally) => total + tally[key], 0);
  return { expected: sum('expected'), lost: sum('lost'), doubled: sum('doubled'), reordered: sum('reordered') };
}

/** Why a run does not count; undefined if it does. */
export function faultOf({ expected, lost, doubled, reordered }: Tally): string | undefined {
  if (lost + doubled + reordered === 0) return undefined;
  return `void: of ${expected} messages ${lost} were lost, ${doubled} doubled, ${reordered} reordered`;
}
