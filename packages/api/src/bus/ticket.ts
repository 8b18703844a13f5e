/** A task that was put in, as the one who put it in sees it. */

import type { MailOptions } from './message-options.ts';

/** What may be said of a task. */
export interface EnqueueOptions extends Omit<MailOptions, 'id' | 'hold'> {
  /** Not started before this time. */
  readonly runAt?: Date;
  /** Within the dedupe window one key is put in once. */
  readonly dedupeKey?: string;
}

/** A task that was put in. */
export interface Ticket<R> {
  readonly id: string;
  readonly queue: string;
  result(options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal }): Promise<R>;
}
