/** Every question that is asked, by name. */

import type { Figure } from './figures.ts';
import type { BenchOptions } from './options.ts';
import { fanout } from './scenarios/fanout.ts';
import { idle } from './scenarios/idle.ts';
import { memory } from './scenarios/memory.ts';
import { micro } from './scenarios/micro.ts';
import { queue } from './scenarios/queue.ts';
import { request } from './scenarios/request.ts';
import { startup } from './scenarios/startup.ts';
import { wake } from './scenarios/wake.ts';
import { writers } from './scenarios/writers.ts';
import type { Setting } from './setting.ts';

/** A question. */
export interface Scenario {
  readonly question: string;
  /** Asked once, whatever the subjects are; it brings its own. */
  readonly alone?: true;
  /** Asked at the first durability only: others would not answer otherwise. */
  readonly once?: true;
  /** One run is enough: it takes long, or repeats by itself. */
  readonly steady?: true;
  /** Asks one subject once. */
  run(setting: Setting, options: BenchOptions): Promise<readonly Figure[]>;
}

/** The name of one of {@link SCENARIOS}. */
export type ScenarioName =
  | 'queue'
  | 'request'
  | 'fanout'
  | 'wake'
  | 'idle'
  | 'writers'
  | 'memory'
  | 'startup'
  | 'micro';

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  queue,
  request,
  fanout,
  wake,
  idle,
  writers,
  memory,
  startup,
  micro,
};
