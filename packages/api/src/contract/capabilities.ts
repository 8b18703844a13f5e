/** What a transport can do: one plain record that users read and the conformance suite is driven by. */

import { BusbarError } from './errors.ts';

/**
 * What an acknowledged write survives (rule RD1). `none`: nothing beyond the process that holds it. `process`: `kill -9`
 * of clients and server, also with a busy disk. `power`: loss of power, since it is synced before it is acknowledged.
 */
export type Durability = 'none' | 'process' | 'power';

/** Powers that a backend has or has not. A false one has its reason in {@link Capabilities.reasons}. */
export interface Features {
  /** Requests over a fast path of its own ({@link Transport.calls}); without it requests go over queues. */
  readonly calls: boolean;
  /** Messages of one ordering key are handled one at a time and in order (rule RQ4). */
  readonly orderingKeys: boolean;
  /** A receipt can be settled from another connection or process (rule RQ3). */
  readonly portableReceipts: boolean;
  /** The store itself refuses a receipt whose lease is lost; otherwise only the client's own deadline does. */
  readonly staleSettleRefused: boolean;
  /** A message and its dead letter never show at once, also after a crash (rule RQ5). */
  readonly atomicMove: boolean;
  /** `maxLength` is never exceeded; otherwise by at most one batch per concurrent sender (rule RQ10). */
  readonly exactLimit: boolean;
  /** An undelayed retry or a release goes back to the place it had (rule RQ4). */
  readonly retryKeepsPlace: boolean;
  /** Dedupe memory outlives a restart of the store (rule RQ7). */
  readonly dedupeSurvivesRestart: boolean;
  /** Positions of one store compare as strings in log order (rule RT3). */
  readonly comparablePositions: boolean;
  /** Setting the wall clock moves no delay, TTL or lease (rule RQ6). */
  readonly monotonicClock: boolean;
  /** Messages that were not started can be cancelled and rescheduled. */
  readonly cancel: boolean;
  /** The whole state can be exported and imported (rule RA7). */
  readonly exportState: boolean;
}

/** The name of one of the {@link Features}. */
export type Feature = keyof Features;

/** Everything a transport declares. Frozen; equal for equal options. */
export interface Capabilities {
  readonly durability: Durability;
  /** How far apart two clients of one store may be. */
  readonly reach: 'process' | 'host' | 'network';
  readonly features: Features;
  /** Why a feature is missing, one sentence each. */
  readonly reasons: Readonly<Partial<Record<Feature, string>>>;
  /** `timed`: only its end frees a lease. `connection`: the loss of the holder's connection does so too. */
  readonly lease: 'timed' | 'connection';
  /** How many priorities are told apart: 10, or fewer where levels are folded (at least 3). */
  readonly priorityLevels: number;
  /** Attempts counted within this time before a server crash may be uncounted. */
  readonly attemptLossMs: number;
  /** A settlement reported `done` within this time before a server crash may be undone. */
  readonly settleLossMs: number;
  /** Delayed messages, lease ends and entry TTLs may be late by this much. */
  readonly granularityMs: number;
  /** The storage of what expired is free again within this time. */
  readonly reclaimMs: number;
  /** The largest body. At least 524,288. */
  readonly maxBodyBytes: number;
  /** What of the history of topics is kept (rule RT6). Infinity where there is no such bound. */
  readonly retention: { readonly maxAgeMs: number; readonly maxEvents: number; readonly maxBytes: number };
}

/** Throws UNSUPPORTED, with the declared reason, where `capabilities` lack `feature`. */
export function requireFeature(capabilities: Capabilities, feature: Feature): void {
  if (capabilities.features[feature]) return;
  throw new BusbarError('UNSUPPORTED', `this transport does not support ${feature}`, {
    hint: capabilities.reasons[feature] ?? 'Choose another backend.',
  });
}
