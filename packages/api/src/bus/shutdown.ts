/** Closes the parts of a bus in order. */

import { MAX_TIMER_MS } from '../contract/validation.ts';
import { withTimeout } from './bounded-wait.ts';

/** A part that closes with its bus. */
export interface BusPart {
  /** Takes no more messages. Resolves when all handlers have ended. Only parts with handlers have it. */
  drain?(): Promise<unknown>;
  /** Closes it. Handlers may go on for `drainMs`; then they are aborted. */
  close(options: { readonly drainMs: number }): Promise<void>;
}

/**
 * Parts close by phase: first consumers, subscriptions and agents, because running handlers need the rest; then locks;
 * last services such as reply queues and watches.
 */
export type ShutdownPhase = 'consumers' | 'locks' | 'services';

/** The timeout of one call that cleans up. The TTL removes what is left. */
export const CLEANUP_MS = 2000;
/** How long a phase may take after its handlers. */
const FINISH_MS = 5000;

const PHASES: readonly ShutdownPhase[] = ['consumers', 'locks', 'services'];

/** The open parts of one bus. */
export class Shutdown {
  readonly #parts: Record<ShutdownPhase, Set<BusPart>> = {
    consumers: new Set(),
    locks: new Set(),
    services: new Set(),
  };
  #closing = false;
  #drained = false;

  /** Whether closing has begun: nothing new takes messages. */
  get isClosing(): boolean {
    return this.#closing;
  }

  /** Whether all handlers have ended: nothing more is sent. */
  get isDrained(): boolean {
    return this.#drained;
  }

  /** Adds a part. Returns a function that removes it after it closed by itself. */
  add(phase: ShutdownPhase, part: BusPart): () => void {
    const parts = this.#parts[phase];
    parts.add(part);
    return () => void parts.delete(part);
  }

  /** Takes no more messages anywhere. Resolves when all handlers have ended. */
  async drain(): Promise<void> {
    const parts = [...this.#parts.consumers];
    await Promise.all(parts.map((part) => part.drain?.()));
  }

  /** Closes all parts by phase, in bounded time even without a server. `onError` gets the errors. */
  async close(drainMs: number, onError: (error: unknown) => void): Promise<void> {
    this.#closing = true;
    for (const phase of PHASES) {
      const parts = [...this.#parts[phase]];
      this.#parts[phase].clear();
      const closed = Promise.all(parts.map((part) => part.close({ drainMs }).catch(onError)));
      await withTimeout(closed, Math.min(MAX_TIMER_MS, (phase === 'consumers' ? drainMs : 0) + FINISH_MS));
      if (phase === 'consumers') this.#drained = true;
    }
  }
}
