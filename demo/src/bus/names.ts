/** Names on the bus of the demonstration, which has a namespace of its own. */

/** Tasks: audit one file. */
export const AUDITS = 'audits';
/** Tasks: merge one result into the report file. */
export const RESULTS = 'results';
/** Held by the editor that writes to the report file. */
export const REPORT_LOCK = 'report';
/** The request that workers ask the expert with. */
export const REVIEW = 'review';

/** Agents; those there are several of have a number behind. */
export const AGENTS = {
  coordinator: '@demo.coordinator',
  expert: '@demo.expert',
  historian: '@demo.historian',
  editor: '@demo.editor',
  worker: '@demo.worker',
} as const;

/** A part to play: the entry file in `roles` has its name. */
export type Role = keyof typeof AGENTS;

/** Events. */
export const TOPICS = {
  started: 'run.started',
  audited: 'file.audited',
  merged: 'report.merged',
} as const;
