/** Notifies of transactions: the batcher notifies, and all that depends on changes of the store subscribes. */

import type { Transaction } from '../connection/transaction.ts';
import { Notifier } from './notifier.ts';

export class CommitNotifier {
  /** All changes are written: the last moment to read what is needed after the commit. */
  readonly beforeCommit: Notifier<[Transaction]> = new Notifier();
  /** The changes are stored, and the callers have their results. */
  readonly committed: Notifier<[Transaction]> = new Notifier();
  /** A transaction was rolled back: drop what was read in it. */
  readonly rolledBack: Notifier = new Notifier();
}
