/** Ids of the catalogue that no case covers, each with the reason. */

import type { Status } from './case.ts';

/** Why an id has no result of its own. */
export interface Outside {
  readonly status: Extract<Status, 'not-applicable' | 'not-tested'>;
  readonly reason: string;
}

const SERVER = 'It is about a server, and no backend of this repository has one yet.';

const REASONS: Readonly<Record<string, string>> = {
  X2: SERVER,
  X3: SERVER,
  C1: SERVER,
  C3: SERVER,
  C5: SERVER,
  C6: SERVER,
  C7: SERVER,
  C9: SERVER,
  C10: SERVER,
  C11: SERVER,
  F12: SERVER,
  B5: SERVER,
  I1: SERVER,
  I2: SERVER,
  I7: SERVER,
  N1: SERVER,
  N2: SERVER,
  N3: SERVER,
  N7: SERVER,
};

/** Status and reason of an id without a case. */
export function whyOutside(id: string): Outside {
  const reason = REASONS[id];
  if (reason !== undefined) return { status: 'not-applicable', reason };
  return { status: 'not-tested', reason: 'There is no case for it yet.' };
}
