/** Every question that is asked, by name. */

import type { Place } from './client.ts';
import type { Figure } from './figures.ts';
import type { BenchOptions } from './options.ts';
import { memory } from './scenarios/memory.ts';
import { micro } from './scenarios/micro.ts';
import { queue } from './scenarios/queue.ts';
import { request } from './scenarios/request.ts';
import { startup } from './scenarios/startup.ts';
import { wake } from './scenarios/wake.ts';
import { writers } from './scenarios/writers.ts';
import type { SubjectName } from './subjects.ts';

/** A question. */
export interface Scenario {
  readonly question: string;
  /** Asked once, whatever the subjects are; it brings its own. */
  readonly alone?: boolean;
  /** Asks one subject once; undefined where it cannot answer. */
  run(subject: SubjectName, place: Place, options: BenchOptions): Promise<readonly Figure[] | undefined>;
}

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  queue,
  request,
  wake,
  writers,
  memory,
  startup,
  micro,
};

/** The name of one of {@link SCENARIOS}. */
export type ScenarioName = 'queue' | 'request' | 'wake' | 'writers' | 'memory' | 'startup' | 'micro';
