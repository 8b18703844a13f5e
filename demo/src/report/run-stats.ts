/** Counts what the processes tell. */

import type { LockUse, News, Problem } from '../processes/process-event.ts';

/** Numbers of one run. */
export class Tally {
  /** How many files were found so far, and whether these are all. */
  files = 0;
  isFound = false;
  isEnqueued = false;
  #isOver = false;
  readonly problems: Problem[] = [];
  asked = 0;
  answered = 0;
  locks = 0;
  lockWaits = 0;
  longestLockWaitMs = 0;
  /** Results that editors merged; one that came again counts again. */
  merged = 0;
  /** Audit tasks and results that were handled, and how many of them with a second attempt or later. */
  deliveries = 0;
  redeliveries = 0;
  received: number | undefined;
  replayed: number | undefined;
  readonly #audited = new Map<string, number>();
  readonly #events = new Set<string>();
  readonly #waiting = new Set<{ readonly isTrue: () => boolean; readonly resolve: () => void }>();

  /** Tasks that a worker has done, each once. */
  get audited(): number {
    return this.#audited.size;
  }

  /** Events that were published, each once: a task that is handled again publishes under the same id. */
  get published(): number {
    return this.#events.size;
  }

  /** The highest attempt with which a task was done; 0 for one that was not. */
  attemptOf(task: string): number {
    return this.#audited.get(task) ?? 0;
  }

  /** Whether there is nothing left to do. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** There is nothing left to do: whoever waits for more may look again. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Resolves as soon as news make the condition true. */
  async when(isTrue: () => boolean): Promise<void> {
    if (!isTrue()) await new Promise<void>((resolve) => this.#waiting.add({ isTrue, resolve }));
  }

  add(news: News): void {
    this.#count(news);
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiting) {
      if (!waiter.isTrue()) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  #count(news: News): void {
    if (news.kind === 'finding') this.files = news.files;
    else if (news.kind === 'found') this.#found(news.files, news.problems);
    else if (news.kind === 'enqueued') this.isEnqueued = true;
    else if (news.kind === 'audited') this.#done(news.id, news.attempt);
    else if (news.kind === 'asked') this.asked += 1;
    else if (news.kind === 'answered') this.answered += 1;
    else if (news.kind === 'merged') this.#mergedAll(news.attempts, news.lock);
    else if (news.kind === 'received') this.received = news.events;
    else if (news.kind === 'replayed') this.replayed = news.events;
    if ('event' in news) this.#events.add(news.event);
  }

  #found(files: number, problems: readonly Problem[]): void {
    this.files = files;
    this.isFound = true;
    this.problems.push(...problems);
  }

  #done(task: string, attempt: number): void {
    this.#audited.set(task, Math.max(attempt, this.attemptOf(task)));
    this.#delivered([attempt]);
  }

  #mergedAll(attempts: readonly number[], { waited, waitedMs }: LockUse): void {
    this.merged += attempts.length;
    this.locks += 1;
    this.lockWaits += waited ? 1 : 0;
    this.longestLockWaitMs = Math.max(this.longestLockWaitMs, waitedMs);
    this.#delivered(attempts);
  }

  #delivered(attempts: readonly number[]): void {
    this.deliveries += attempts.length;
    this.redeliveries += attempts.filter((attempt) => attempt >= 2).length;
  }
}
