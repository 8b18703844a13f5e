/** What each role gets. */

import type { Bus } from 'busbar';

export interface Setting {
  readonly bus: Bus;
  /** Where logs are written. */
  readonly folder: string;
  /** The files to review. */
  readonly files: readonly string[];
}
