/** The order in which test files begin. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** A file, and about how long it takes on two quiet cores. */
interface Planned {
  readonly file: TestSpecification;
  readonly seconds: number;
}

const SUITE = /conformance\.test\.ts$/;
const TRANSPORT_SUITE = /\/transport-[a-z]+\/test\/conformance\.test\.ts$/;
const SECONDS = { transportSuite: 85, suite: 15, other: 2.5 };

/**
 * Lets the conformance suites, which mostly wait, run one after the other beside all other files, which mostly compute. Two
 * suites at once leave a third of two cores idle, and two others at once share them.
 */
export class SuitesBesideOthers extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const planned = (await super.sort(files)).map((file) => ({ file, seconds: secondsOf(file.moduleId) }));
    const suites = planned.filter(({ file }) => SUITE.test(file.moduleId)).sort((a, b) => b.seconds - a.seconds);
    const others = planned.filter(({ file }) => !SUITE.test(file.moduleId));
    return sideBySide(suites, others).map(({ file }) => file);
  }
}

function secondsOf(path: string): number {
  if (!SUITE.test(path)) return SECONDS.other;
  return TRANSPORT_SUITE.test(path) ? SECONDS.transportSuite : SECONDS.suite;
}

/** One list for two workers, so that each of them mostly gets files of one list. */
function sideBySide(suites: readonly Planned[], others: readonly Planned[]): Planned[] {
  const order: Planned[] = [];
  const [left, right] = [[...suites], [...others]];
  let ahead = 0;
  for (;;) {
    const fromLeft = right.length === 0 || (left.length > 0 && ahead <= 0);
    const next = fromLeft ? left.shift() : right.shift();
    if (next === undefined) return order;
    order.push(next);
    ahead += fromLeft ? next.seconds : -next.seconds;
  }
}
