/** Ids of the catalogue without a case, each with a reason (docs/adr/0009-outside-the-suite.md). */

import type { Status } from './case.ts';

/** The status and reason of an id without a case. */
export interface MissingCase {
  readonly status: Extract<Status, 'not-applicable' | 'not-tested'>;
  readonly reason: string;
}

const NOT_APPLICABLE: Readonly<Record<string, string>> = {
  M4: 'The layout of a store is its backend’s own; other languages use the command line.',
};

const NOT_TESTED: Readonly<Record<string, string>> = {
  X5: 'Signals cannot simulate a power loss; `power` relies on syncing the file before the reply.',
  X11: 'There is only one version of the library so far.',
};

/** Returns the status and reason of an id without a case. */
export function missingCase(id: string): MissingCase {
  const reason = NOT_APPLICABLE[id];
  if (reason !== undefined) return { status: 'not-applicable', reason };
  return { status: 'not-tested', reason: NOT_TESTED[id] ?? 'It has no case yet.' };
}
