/** What the processes of the demonstration and the one that started them tell each other. */

import type { Audit } from '../audit/audit.ts';

/** One piece of news from a process. An `event` is the id of an event that it published. */
export type News =
  | { readonly kind: 'ready' }
  | { readonly kind: 'finding'; readonly files: number }
  | { readonly kind: 'found'; readonly files: number; readonly problems: readonly Problem[] }
  | { readonly kind: 'enqueued'; readonly event: string }
  | { readonly kind: 'audited'; readonly id: string; readonly attempt: number; readonly event: string }
  | { readonly kind: 'asked' }
  | { readonly kind: 'answered' }
  | { readonly kind: 'merged'; readonly attempts: readonly number[]; readonly lock: LockUse; readonly event: string }
  | { readonly kind: 'received'; readonly events: number }
  | { readonly kind: 'replayed'; readonly events: number }
  | { readonly kind: 'trouble'; readonly text: string };

/** Something that was found and could not be read as a source file. */
export interface Problem {
  readonly path: string;
  readonly problem: string;
}

/** How a lock was got. */
export interface LockUse {
  readonly waitedMs: number;
  /** False when it was free at once. */
  readonly waited: boolean;
}

/** What is asked of a process: to begin, to say `ready` once all its news are out, or to count events. */
export type Order =
  | { readonly kind: 'begin' }
  | { readonly kind: 'report' }
  | { readonly kind: 'count'; readonly events: number };

/** A task: audit one file. */
export interface AuditTask {
  readonly file: string;
  readonly index: number;
  /** The worker takes at least so long over it. */
  readonly takesMs: number;
}

/** A result on its way to an editor. `id` is the message id of the task: it counts once, however often it was delivered. */
export interface AuditResult {
  readonly id: string;
  readonly worker: string;
  readonly audit: Audit;
  /** What the expert said, where it was asked. */
  readonly grade: string | undefined;
}
