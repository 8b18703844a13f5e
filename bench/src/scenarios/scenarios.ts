/** Every question that is asked, by name. */

import type { Figure } from '../figures.ts';
import type { BenchOptions } from '../options.ts';
import type { Setting } from '../sandbox/sandbox.ts';
import { fanout } from './fanout.ts';
import { idle } from './idle.ts';
import { memory } from './memory.ts';
import { micro } from './micro.ts';
import { queue } from './queue.ts';
import { request } from './request.ts';
import { startup } from './startup.ts';
import { wake } from './wake.ts';
import { writers } from './writers.ts';

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
