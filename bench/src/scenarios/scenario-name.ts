/** Names of the scenarios. */

/** The name of a scenario. */
export type ScenarioName =
  | ('queue' | 'request' | 'fanout' | 'wake' | 'idle' | 'members')
  | ('rate' | 'parallel' | 'failing' | 'stream' | 'lock' | 'replay' | 'payload')
  | ('mailboxes' | 'sustained' | 'compositions' | 'gate')
  | ('writers' | 'memory' | 'startup' | 'micro');

/** Scenarios that take minutes: they run only if they are named. */
export const LONG_SCENARIOS: readonly ScenarioName[] = ['members', 'mailboxes', 'sustained', 'compositions', 'gate'];

/** All names, in the order in which they run. */
export const SCENARIO_NAMES: readonly ScenarioName[] = [
  ...(['queue', 'request', 'rate', 'fanout', 'wake', 'idle'] as const),
  ...(['parallel', 'failing', 'stream', 'lock', 'replay', 'payload'] as const),
  ...LONG_SCENARIOS,
  ...(['writers', 'memory', 'startup', 'micro'] as const),
];
