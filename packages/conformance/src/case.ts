/** What a conformance case is: data, with one function that runs it. */

import type { Capabilities, Feature } from '@busbar/api/transport';
import type { Lab } from './context/test-context.ts';
import type { Power, StrangerKind } from './harness.ts';

/** `MUST`: a backend that fails it is broken. `SHOULD`: it owes a reason. `MAY`: what it does is recorded. */
export type Level = 'MUST' | 'SHOULD' | 'MAY';

/** The groups of the catalogue, in its order. */
export const GROUPS = [
  'Point-to-point',
  'Ordering',
  'Priority',
  'Request/reply',
  'Pub/sub',
  'Queue groups',
  'Ack/nack/visibility',
  'Dead letters',
  'Delay',
  'TTL',
  'Dedupe',
  'Replay/offset',
  'Persistence',
  'Reconnect',
  'Backpressure',
  'Concurrency',
  'Payload',
  'Headers',
  'Errors/bad input',
  'Lifecycle',
  'Registry/heartbeat',
  'Locks/fencing',
  'Multi-process',
  'Fault injection',
  'Security',
  'State transfer',
] as const;

/** One of {@link GROUPS}. */
export type Group = (typeof GROUPS)[number];

/** One case. Its id is the catalogue's: one id, one case. */
export interface ConformanceCase {
  /** Such as `Q1`. */
  readonly id: string;
  readonly group: Group;
  /** One sentence: what holds. */
  readonly title: string;
  readonly level: Level;
  /** The rules it proves, such as `RQ4`. */
  readonly rules: readonly string[];
  /** Features it needs. Where one is declared missing, the case is `unsupported`, and {@link refused} proves it. */
  readonly needs?: readonly Feature[];
  /** Features that it does not need, and shows where they are declared. */
  readonly shows?: readonly Feature[];
  /** What the harness must be able to do. Where it cannot, the case is `not-tested`, with the reason. */
  readonly powers?: readonly Power[];
  /** The client it needs that its server turns away. Where the harness has none, the case is `not-tested`. */
  readonly stranger?: StrangerKind;
  /** True where never two of its processes have the store open: so it holds for a store of the reach `process` too. */
  readonly takesTurns?: boolean;
  /** The reason why the case cannot apply to such a transport; undefined where it applies. */
  readonly notApplicable?: (capabilities: Capabilities) => string | undefined;
  /** True for the short selection (`--profile smoke`). */
  readonly smoke?: boolean;
  /** True for a case about time or load that shall not share the machine: no other runs meanwhile. */
  readonly alone?: boolean;
  /** Default 20,000. A case that takes longer has failed. */
  readonly timeoutMs?: number;
  /** Asserts with `lab.check`; at least once, or it has failed. */
  run(lab: Lab): Promise<void>;
  /** Asserts that what is declared missing is refused with UNSUPPORTED, never silently ignored. */
  refused?(lab: Lab): Promise<void>;
}

/** What became of a case. */
export type Status = 'passed' | 'failed' | 'unsupported' | 'not-applicable' | 'not-tested';

/** The result of one case. */
export interface CaseResult {
  readonly id: string;
  readonly group: Group;
  readonly title: string;
  readonly level: Level;
  readonly status: Status;
  /** Why, for every status but `passed`. */
  readonly reason?: string;
  readonly assertions: number;
  readonly ms: number;
}
