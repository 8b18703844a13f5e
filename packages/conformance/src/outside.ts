/** Ids of the catalogue that no case covers, each with the reason (docs/adr/0009-outside-the-suite.md). */

import type { Status } from './case.ts';

/** Why an id has no result of its own. */
export interface Outside {
  readonly status: Extract<Status, 'not-applicable' | 'not-tested'>;
  readonly reason: string;
}

const NOT_APPLICABLE: Readonly<Record<string, string>> = {
  M4: 'The layout of a store is its backend’s own; other languages use the command line.',
};

const NOT_TESTED: Readonly<Record<string, string>> = {
  X5: 'Signals cannot show a loss of power; what `power` rests on is that the file is synced before the answer.',
  X9: 'There is one format on disk so far.',
  X11: 'There is one version of the library so far.',
};

/** Status and reason of an id without a case. */
export function whyOutside(id: string): Outside {
  const reason = NOT_APPLICABLE[id];
  if (reason !== undefined) return { status: 'not-applicable', reason };
  return { status: 'not-tested', reason: NOT_TESTED[id] ?? 'There is no case for it yet.' };
}
