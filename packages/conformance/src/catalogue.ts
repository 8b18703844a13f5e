/** Every id of the catalogue: its group, the ids without a case, and those of the profile `cluster`. */

/** The letter of a group's ids, the number of its ids in the catalogue, and the last number if there are further cases. */
type IdRange = readonly [letter: string, count: number, last?: number];

const RANGES = {
  'Point-to-point': ['P', 11, 14],
  Ordering: ['O', 8, 10],
  Priority: ['Q', 6, 7],
  'Request/reply': ['R', 12, 18],
  'Pub/sub': ['S', 18, 19],
  'Queue groups': ['G', 7],
  'Ack/nack/visibility': ['A', 23, 53],
  'Dead letters': ['D', 9, 11],
  Delay: ['L', 8, 17],
  TTL: ['T', 7, 9],
  Dedupe: ['U', 6, 22],
  'Replay/offset': ['Y', 8, 11],
  Persistence: ['X', 11, 16],
  Reconnect: ['C', 11, 17],
  Backpressure: ['B', 7, 12],
  Concurrency: ['K', 7, 8],
  Payload: ['V', 11, 13],
  Headers: ['H', 7],
  'Errors/bad input': ['E', 9, 18],
  Lifecycle: ['F', 14, 16],
  'Registry/heartbeat': ['Z', 10, 11],
  'Locks/fencing': ['W', 11, 17],
  'Multi-process': ['M', 5, 7],
  'Fault injection': ['I', 10, 13],
  Security: ['N', 8],
  'State transfer': ['J', 0, 39],
} as const;

/** One of {@link GROUPS}. */
export type Group = keyof typeof RANGES;

/** The groups of the catalogue, in its order. */
export const GROUPS: readonly Group[] = Object.keys(RANGES) as Group[];

/** One id of the catalogue. */
export interface CatalogueId {
  readonly id: string;
  readonly group: Group;
}

/** The 244 ids in the order of their groups. */
export const CATALOGUE: readonly CatalogueId[] = GROUPS.flatMap((group) => {
  const [letter, count] = RANGES[group];
  return Array.from({ length: count }, (_, index) => ({ id: `${letter}${index + 1}`, group }));
});

/** Returns the group of an id, or undefined for an unknown id. */
export function groupOf(id: string): Group | undefined {
  return GROUPS.find((group) => {
    const [letter, count, last = count]: IdRange = RANGES[group];
    return id[0] === letter && /^.[1-9]\d?$/.test(id) && Number(id.slice(1)) <= last;
  });
}

/** Compares cases or results: the order of the groups, and of the ids in a group. */
export function compareIds(one: CatalogueId, other: CatalogueId): number {
  return placeOf(one) - placeOf(other);
}

function placeOf({ id, group }: CatalogueId): number {
  return GROUPS.indexOf(group) * 1_000 + Number(id.slice(1));
}

/** Ids of the profile `cluster`: behaviour that spans servers, and the loss of one server. */
export const CLUSTER: ReadonlySet<string> = new Set([
  // Data that is spread over servers or located by name.
  ...['P1', 'P3', 'P10', 'O1', 'O4', 'Q1', 'R1', 'R4', 'S1', 'S5', 'S14', 'G1', 'G2', 'A1', 'A6', 'A7', 'A9'],
  ...['D1', 'D4', 'L1', 'T1', 'U1', 'U3', 'Y1', 'Y2', 'X1', 'K1', 'K2', 'V2', 'Z1', 'Z6', 'W1', 'W6', 'J1'],
  // The loss of one server.
  ...['X2', 'X3', 'C1', 'C2', 'C7', 'C8', 'C11', 'I1', 'F12'],
]);

const NOT_APPLICABLE: Readonly<Record<string, string>> = {
  M4: 'The layout of a store is its backend’s own; other languages use the command line.',
};

const NOT_TESTED: Readonly<Record<string, string>> = {
  X5: 'Signals cannot simulate a power loss; `power` relies on syncing the file before the reply.',
  X11: 'There is only one version of the library so far.',
};

/** Returns the status and reason of an id without a case (docs/adr/0009-outside-the-suite.md). */
export function missingCase(id: string): { readonly status: 'not-applicable' | 'not-tested'; readonly reason: string } {
  const reason = NOT_APPLICABLE[id];
  if (reason !== undefined) return { status: 'not-applicable', reason };
  return { status: 'not-tested', reason: NOT_TESTED[id] ?? 'It has no case yet.' };
}
