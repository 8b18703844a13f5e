/** Counts what the processes tell. */

import type { News, Problem } from './news.ts';

/** Numbers of one run. */
export class Tally {
  files: number | undefined;
  readonly problems: Problem[] = [];
  asked = 0;
  answered = 0;
  locks = 0;
  lockWaits = 0;
  longestLockWaitMs = 0;
  received = 0;
  replayed: number | undefined;
  /** Results that editors acked; one that came again counts again. */
  merged = 0;
  readonly trouble: string[] = [];
  /** Deliveries of audit tasks and of results, by attempt: how many were a second one or later. */
  deliveries = 0;
  redeliveries = 0;
  readonly #audited = new Set<string>();
  readonly #events = new Set<string>();

  /** Tasks that a worker has done, each once. */
  get audited(): number {
    return this.#audited.size;
  }

  /** Events that were published, each once: a task that is handled again publishes under the same id. */
  get published(): number {
    return this.#events.size;
  }

  add(news: News): void {
    switch (news.kind) {
      case 'found':
        this.files = news.files;
        this.problems.push(...news.problems);
        this.#publishedAll(news.ids);
        return;
      case 'audited':
        this.#audited.add(news.id);
        this.#delivered([news.attempt]);
        this.#publishedAll([news.event]);
        return;
      case 'asked':
        this.asked += 1;
        return;
      case 'answered':
        this.answered += 1;
        return;
      case 'merged':
        this.merged += news.results;
        this.locks += 1;
        this.lockWaits += news.lock.waited ? 1 : 0;
        this.longestLockWaitMs = Math.max(this.longestLockWaitMs, news.lock.waitedMs);
        this.#delivered(news.attempts);
        this.#publishedAll(news.ids);
        return;
      case 'seen':
        this.received = news.events;
        return;
      case 'replayed':
        this.replayed = news.events;
        return;
      case 'trouble':
        this.trouble.push(news.text);
        return;
      case 'ready':
        return;
    }
  }

  #delivered(attempts: readonly number[]): void {
    this.deliveries += attempts.length;
    this.redeliveries += attempts.filter((attempt) => attempt >= 2).length;
  }

  #publishedAll(ids: readonly string[]): void {
    for (const id of ids) this.#events.add(id);
  }
}
