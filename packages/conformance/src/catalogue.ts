/** Every id of the catalogue with its group. The suite is measured against it. */

import { GROUPS, type Group } from './case.ts';

/** One id of the catalogue. */
export interface CatalogueId {
  readonly id: string;
  readonly group: Group;
}

/** The letter and the number of ids of each group, in the order of {@link GROUPS}. */
const SIZES: Readonly<Record<Group, readonly [letter: string, count: number]>> = {
  'Point-to-point': ['P', 11],
  Ordering: ['O', 8],
  Priority: ['Q', 6],
  'Request/reply': ['R', 12],
  'Pub/sub': ['S', 18],
  'Queue groups': ['G', 7],
  'Ack/nack/visibility': ['A', 23],
  'Dead letters': ['D', 9],
  Delay: ['L', 8],
  TTL: ['T', 7],
  Dedupe: ['U', 6],
  'Replay/offset': ['Y', 8],
  Persistence: ['X', 11],
  Reconnect: ['C', 11],
  Backpressure: ['B', 7],
  Concurrency: ['K', 7],
  Payload: ['V', 11],
  Headers: ['H', 7],
  'Errors/bad input': ['E', 9],
  Lifecycle: ['F', 14],
  'Registry/heartbeat': ['Z', 10],
  'Locks/fencing': ['W', 11],
  'Multi-process': ['M', 5],
  'Fault injection': ['I', 10],
  Security: ['N', 8],
  'State transfer': ['J', 0],
};

/** The 244 ids in the order of their groups. */
export const CATALOGUE: readonly CatalogueId[] = GROUPS.flatMap((group) => {
  const [letter, count] = SIZES[group];
  return Array.from({ length: count }, (_, index) => ({ id: `${letter}${index + 1}`, group }));
});

const groupOfId = new Map(CATALOGUE.map(({ id, group }) => [id, group]));

/** Ids of cases beyond the catalogue. */
const OTHER_IDS: readonly (readonly [ids: RegExp, group: Group])[] = [
  [/^J[1-9]\d?$/, 'State transfer'],
  [/^E1\d$/, 'Errors/bad input'],
  [/^Q7$/, 'Priority'],
  [/^A24$/, 'Ack/nack/visibility'],
  [/^L9$/, 'Delay'],
  [/^U[78]$/, 'Dedupe'],
  [/^Y9$/, 'Replay/offset'],
  [/^K8$/, 'Concurrency'],
];

/** Returns the group of an id, or undefined for an unknown id. */
export function groupOf(id: string): Group | undefined {
  return groupOfId.get(id) ?? OTHER_IDS.find(([ids]) => ids.test(id))?.[1];
}
