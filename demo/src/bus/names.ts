/** Names on the bus of the demonstration, which has a namespace of its own. */

/** Queue of tasks: audit one file. */
export const AUDITS = 'audits';
/** Queue of tasks: merge one result into the results file. */
export const RESULTS = 'results';
/** The lock that an editor holds while it writes to the results file. */
export const RESULTS_LOCK = 'results-file';
/** Type of the request that a worker sends to the expert. */
export const REVIEW = 'review';

/** Agents. Editors and workers have a number behind the name. */
export const AGENTS = {
  coordinator: '@demo.coordinator',
  expert: '@demo.expert',
  historian: '@demo.historian',
  editor: '@demo.editor',
  worker: '@demo.worker',
} as const;

/** The role of a process: its entry file in `processes/roles` has the same name. */
export type Role = keyof typeof AGENTS;

/** Topics of events. Those of `LIVE` are ephemeral: they show what is done now, and nothing counts on them. */
export const TOPICS = { started: 'run.started', audited: 'file.audited', merged: 'results.merged' } as const;
export const LIVE = { begun: 'live.begun', ended: 'live.ended', writing: 'live.writing' } as const;
/** Whether events of a topic are ephemeral. */
export function isLive(topic: string | undefined): boolean {
  return topic?.startsWith('live.') ?? false;
}
