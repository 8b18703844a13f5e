/** Counts the events of the processes. */

import type { ProcessEvent } from '../processes/process-event.ts';

/** A lock that took longer than this was held by the other editor. */
const LOCK_WAIT_MS = 20;

/** The numbers of one run. */
export class RunStats {
  /** Undefined until the coordinator has found the files. */
  files: number | undefined;
  isEnqueued = false;
  asked = 0;
  answered = 0;
  locks = 0;
  lockWaits = 0;
  /** Merged results; one that was merged again counts again. */
  merged = 0;
  /** Handled tasks and results, and how many of them at a second attempt or later. */
  deliveries = 0;
  redeliveries = 0;
  received: number | undefined;
  /** Ephemeral events that the historian has received. */
  live = 0;
  replayed: number | undefined;
  #isOver = false;
  /** By process. */
  readonly #traffic = new Map<string, Readonly<Record<string, number>>>();
  readonly #attempts = new Map<string, number>();
  readonly #events = new Set<string>();
  readonly #waiters = new Set<{ readonly isTrue: () => boolean; readonly resolve: () => void }>();

  /** Tasks that a worker has handled, each once. */
  get audited(): number {
    return this.#attempts.size;
  }

  /** Published events, each once: a task that is handled again publishes under the same id. */
  get published(): number {
    return this.#events.size;
  }

  /** Messages over each part of the bus, if it has parts. */
  get traffic(): ReadonlyMap<string, number> {
    const sum = new Map<string, number>();
    for (const sent of this.#traffic.values()) {
      for (const [part, count] of Object.entries(sent)) sum.set(part, (sum.get(part) ?? 0) + count);
    }
    return sum;
  }

  /** The highest attempt at which a task was handled; 0 if it was not. */
  attemptOf(task: string): number {
    return this.#attempts.get(task) ?? 0;
  }

  /** True once no work is left. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Ends the run; waiters check their condition again. */
  end(): void {
    this.#isOver = true;
    this.#checkWaiters();
  }

  /** Resolves as soon as an event makes the condition true. */
  async when(isTrue: () => boolean): Promise<void> {
    if (!isTrue()) await new Promise<void>((resolve) => this.#waiters.add({ isTrue, resolve }));
  }

  /** Counts one event. */
  add(event: ProcessEvent): void {
    if (event.kind === 'found') this.files = event.files;
    else if (event.kind === 'enqueued') this.isEnqueued = true;
    else if (event.kind === 'audited') this.#addAudited(event.id, event.attempt);
    else if (event.kind === 'asked') this.asked += 1;
    else if (event.kind === 'answered') this.answered += 1;
    else if (event.kind === 'merged') this.#addMerged(event.attempts, event.waitedMs);
    else if (event.kind === 'received') this.#addReceived(event.events, event.live);
    else if (event.kind === 'traffic') this.#traffic.set(event.by, event.sent);
    else if (event.kind === 'replayed') this.replayed = event.events;
    if ('event' in event) this.#events.add(event.event);
    this.#checkWaiters();
  }

  #addReceived(events: number, live: number): void {
    this.received = events;
    this.live = live;
  }

  #addAudited(task: string, attempt: number): void {
    this.#attempts.set(task, Math.max(attempt, this.attemptOf(task)));
    this.#addDeliveries([attempt]);
  }

  #addMerged(attempts: readonly number[], waitedMs: number): void {
    this.merged += attempts.length;
    this.locks += 1;
    if (waitedMs > LOCK_WAIT_MS) this.lockWaits += 1;
    this.#addDeliveries(attempts);
  }

  #addDeliveries(attempts: readonly number[]): void {
    this.deliveries += attempts.length;
    this.redeliveries += attempts.filter((attempt) => attempt >= 2).length;
  }

  #checkWaiters(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.isTrue()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }
}
