/** A conformance case: data and a function that runs it. */

import type { Capabilities, Feature, Transport } from '@busbar/api/transport';
import type { Group } from './catalogue.ts';
import type { TestContext } from './context/test-context.ts';
import type { HarnessFeature, UntrustedClientKind } from './harness.ts';

/** `MUST`: required. `SHOULD`: a deviation needs a reason. `MAY`: the behaviour is only recorded. */
export type Level = 'MUST' | 'SHOULD' | 'MAY';

/**
 * `together`: beside any other case. `timed`: about time and mostly waiting, beside other such cases only. `alone`: about
 * load or the whole process, beside no other case.
 */
export type Load = 'together' | 'timed' | 'alone';

/** One case for one id of the catalogue. */
export interface ConformanceCase {
  /** Such as `Q1`. */
  readonly id: string;
  readonly group: Group;
  /** One sentence that states the behaviour. */
  readonly title: string;
  readonly level: Level;
  /** The rules it tests, such as `RQ4`. */
  readonly rules: readonly string[];
  /** Features it needs. If one is declared missing, the case is `unsupported`, which {@link refused} proves. */
  readonly needs?: readonly Feature[];
  /** Features that it observes if they are declared, without needing them. */
  readonly shows?: readonly Feature[];
  /** Harness features it needs. If one is missing, the case is `not-tested` with the reason. */
  readonly harnessFeatures?: readonly HarnessFeature[];
  /** The kind of rejected client it needs. If the harness has none, the case is `not-tested`. */
  readonly untrustedClient?: UntrustedClientKind;
  /** True if its processes open the store one after the other. It then applies to the reach `process` too. */
  readonly oneProcessAtATime?: boolean;
  /** Returns the reason if the case does not apply to such a transport, else undefined. */
  readonly notApplicable?: (capabilities: Capabilities) => string | undefined;
  /** True if the profile `smoke` includes it. */
  readonly smoke?: boolean;
  /** What may run beside it. Default `together`. */
  readonly load?: Load;
  /** Default 20,000. A case that takes longer fails. */
  readonly timeoutMs?: number;
  /** Runs the case with the first client of its store. It must assert at least once with `test.check`. */
  run(test: TestContext, transport: Transport): Promise<void>;
  /** Asserts that the missing feature is refused with UNSUPPORTED, never silently ignored. */
  refused?(test: TestContext): Promise<void>;
}

/** A case without what its file shares. */
type CaseFields = Omit<ConformanceCase, 'group' | 'level'> & Partial<ConformanceCase>;

/** Cases of one group, with the fields that they share. Their level is `MUST` unless they have another. */
export function defineCases(
  shared: Pick<ConformanceCase, 'group'> & Partial<ConformanceCase>,
  cases: readonly CaseFields[],
): readonly ConformanceCase[] {
  return cases.map((one) => ({ level: 'MUST', ...shared, ...one }));
}

/** The status of a result. */
export type Status = (typeof STATUSES)[number];

/** All statuses. */
export const STATUSES = ['passed', 'failed', 'unsupported', 'not-applicable', 'not-tested'] as const;

/** The result of one case. */
export interface CaseResult {
  readonly id: string;
  readonly group: Group;
  readonly title: string;
  readonly level: Level;
  readonly status: Status;
  /** The reason for every status except `passed`. */
  readonly reason?: string;
  readonly assertions: number;
  readonly ms: number;
}

/** A reason for {@link ConformanceCase.notApplicable} of cases that need stored data. */
export function keepsNothing({ durability }: Capabilities): string | undefined {
  return durability === 'none' ? 'Its declared durability is `none`.' : undefined;
}
