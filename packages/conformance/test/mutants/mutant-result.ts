// The result of one mutant.

/** `killed`: its case failed with it, and passed without it. */
export interface MutantResult {
  readonly mutant: string;
  readonly backend: string;
  readonly group: string;
  readonly case: string;
  readonly killed: boolean;
  /** Why its case failed, or why it counts as not killed. */
  readonly reason?: string;
  /** Why this machine cannot test it. */
  readonly notTested?: string;
}
