/** The capabilities of a transport: one plain record for users and for the conformance suite. */

import { BusbarError } from './errors.ts';

/**
 * What an acknowledged write survives (rule RD1). `none`: it is lost with its process. `process`: `kill -9` of clients and
 * server, also with a busy disk. `power`: loss of power, because it is synced before it is acknowledged.
 */
export type Durability = 'none' | 'process' | 'power';

/** Optional features of a backend. A missing one has its reason in {@link Capabilities.reasons}. */
export interface Features {
  /** A fast path for requests ({@link Transport.calls}). Without it requests use queues. */
  readonly calls: boolean;
  /** Messages with the same ordering key are handled one at a time and in order (rule RQ4). */
  readonly orderingKeys: boolean;
  /** A receipt can be settled from another connection or process (rule RQ3). */
  readonly portableReceipts: boolean;
  /** The store refuses a receipt whose lease is lost. Otherwise only the deadline of the client does. */
  readonly staleSettleRefused: boolean;
  /** A message and its dead letter never exist at the same time, even after a crash (rule RQ5). */
  readonly atomicMove: boolean;
  /** `maxLength` is never exceeded. Otherwise it is exceeded by at most one batch per concurrent sender (rule RQ10). */
  readonly exactLimit: boolean;
  /** A retry without a delay and a release keep the place of the message (rule RQ4). */
  readonly retryKeepsPlace: boolean;
  /** The dedupe window survives a restart of the store (rule RQ7). */
  readonly dedupeSurvivesRestart: boolean;
  /** Positions of one store compare as strings in log order (rule RT3). */
  readonly comparablePositions: boolean;
  /** A change of the wall clock does not move delays, TTLs or leases (rule RQ6). */
  readonly monotonicClock: boolean;
  /** Messages that were not started can be cancelled and rescheduled. */
  readonly cancel: boolean;
  /** The whole state can be exported and imported (rule RA7). */
  readonly exportState: boolean;
  /** The store has a gate, which a move between stores closes (rule RA8). */
  readonly gate: boolean;
  /** An idle transport that is not closed lets its process end (rule RA9). */
  readonly idleExit: boolean;
}

/** The name of one of the {@link Features}. */
export type Feature = keyof Features;

/** The declarations of a transport. Frozen; equal for equal options. */
export interface Capabilities {
  readonly durability: Durability;
  /** How far apart two clients of one store may be. */
  readonly reach: 'process' | 'host' | 'network';
  readonly features: Features;
  /** Why a feature is missing, one sentence each. */
  readonly reasons: Readonly<Partial<Record<Feature, string>>>;
  /** `timed`: a lease ends by its time only. `connection`: it also ends with the connection of its holder. */
  readonly lease: 'timed' | 'connection';
  /** The number of distinct priorities: 10, or fewer if levels are merged (at least 3). */
  readonly priorityLevels: number;
  /** A server crash can lose attempts that were counted within this time before it. */
  readonly attemptLossMs: number;
  /** A server crash can undo settlements that were `done` within this time before it. */
  readonly settleLossMs: number;
  /** How late delayed messages, lease ends and TTLs can be. */
  readonly granularityMs: number;
  /** The storage of expired data is reclaimed within this time. */
  readonly reclaimMs: number;
  /** The largest body. At least 524,288. */
  readonly maxBodyBytes: number;
  /** The retention of topics (rule RT6). Infinity means no bound. */
  readonly retention: { readonly maxAgeMs: number; readonly maxEvents: number; readonly maxBytes: number };
}

const ALL_FEATURES: Features = {
  calls: true,
  orderingKeys: true,
  portableReceipts: true,
  staleSettleRefused: true,
  atomicMove: true,
  exactLimit: true,
  retryKeepsPlace: true,
  dedupeSurvivesRestart: true,
  comparablePositions: true,
  monotonicClock: true,
  cancel: true,
  exportState: true,
  gate: true,
  idleExit: true,
};

/** Declares all features except those that `reasons` names: each entry says in one sentence why the feature is missing. */
export function declareFeatures(reasons: Capabilities['reasons']): Pick<Capabilities, 'features' | 'reasons'> {
  const missing = Object.fromEntries(Object.keys(reasons).map((feature) => [feature, false]));
  return { features: { ...ALL_FEATURES, ...missing }, reasons };
}

/** Throws UNSUPPORTED with the declared reason if `feature` is missing. */
export function requireFeature(capabilities: Capabilities, feature: Feature): void {
  if (capabilities.features[feature]) return;
  throw new BusbarError('UNSUPPORTED', `this transport does not support ${feature}`, {
    hint: capabilities.reasons[feature] ?? 'Choose another backend.',
  });
}
