/** Durability: what acknowledged messages survive. */

/** Nothing, `kill -9` of every process, or loss of power. */
export type Durability = 'none' | 'process' | 'power';

/** All durabilities, in the order of the help. */
export const DURABILITIES: readonly Durability[] = ['none', 'process', 'power'];
