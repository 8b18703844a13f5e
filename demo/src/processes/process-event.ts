/** Messages between the processes of the demonstration and their parent, and the bodies of their tasks. */

import type { Audit } from '../audit/audit.ts';

/** One event of a process. `event` is the id of an event that it published on the bus. */
export type ProcessEvent =
  | { readonly kind: 'ready' }
  | { readonly kind: 'found'; readonly files: number }
  | { readonly kind: 'enqueued'; readonly event: string }
  | { readonly kind: 'audited'; readonly id: string; readonly attempt: number; readonly event: string }
  | { readonly kind: 'asked' }
  | { readonly kind: 'answered' }
  | { readonly kind: 'merged'; readonly attempts: readonly number[]; readonly waitedMs: number; readonly event: string }
  | { readonly kind: 'received'; readonly events: number; readonly live: number }
  | { readonly kind: 'replayed'; readonly events: number }
  /** How many messages of this process went to each part of a bus that has parts. */
  | { readonly kind: 'traffic'; readonly by: string; readonly sent: Readonly<Record<string, number>> }
  | { readonly kind: 'trouble'; readonly text: string };

/** An order to a process. `flush` asks for `ready` when its handlers have ended, after all its earlier events. */
export type Order =
  | { readonly kind: 'begin' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'count'; readonly events: number };

/** A task: audit one file. */
export interface AuditTask {
  readonly file: string;
  readonly index: number;
  /** The worker takes at least this long. */
  readonly takesMs: number;
}

/** The result of one task. `id` is the message id of the task, so a second delivery makes no second result. */
export interface AuditResult {
  readonly id: string;
  readonly worker: string;
  readonly audit: Audit;
  /** The expert's answer, for the files that it was asked about. */
  readonly grade: string | undefined;
}
