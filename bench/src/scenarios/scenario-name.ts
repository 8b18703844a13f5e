/** Names of the scenarios. */

/** The name of a scenario. */
export type ScenarioName =
  | ('queue' | 'request' | 'fanout' | 'wake' | 'idle' | 'members')
  | ('writers' | 'memory' | 'startup' | 'micro');

/** All names, in the order in which they run. */
export const SCENARIO_NAMES: readonly ScenarioName[] = [
  ...(['queue', 'request', 'fanout', 'wake', 'idle', 'members'] as const),
  ...(['writers', 'memory', 'startup', 'micro'] as const),
];
