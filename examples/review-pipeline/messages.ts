/** The bodies of the messages, and the names of their queues and topics. */

export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/** Files that are reviewed together. */
export interface Change {
  readonly files: readonly SourceFile[];
}

/** One remark of the expert. */
export interface Remark {
  readonly line: number;
  readonly text: string;
}

/** The result of one task, and the event of its end. */
export interface Review {
  readonly file: string;
  readonly remarks: readonly Remark[];
}

/** The task that waits for the reviews of a change. */
export interface ReportTask {
  readonly change: string;
  readonly author: string | undefined;
}

/** The answer to the author, and the event of the end of a change. */
export interface Report {
  readonly change: string;
  readonly reviews: readonly Review[];
  /** How many reviews became dead letters. */
  readonly failed: number;
}

export const COORDINATOR = '@coordinator';
export const EXPERT = '@expert';
export const REVIEWS = 'reviews';
export const REPORTS = 'reports';
export const REVIEW_DONE = 'review.done';
export const CHANGE_DONE = 'review.change-done';
export const DIGEST = 'review.digest';
