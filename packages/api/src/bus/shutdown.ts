/** What ends with a bus, and in which order. */

import { MAX_TIMER_MS } from '../contract/validation.ts';
import { withTimeout } from './bounded-wait.ts';

/** Something that a bus ends. */
export interface BusPart {
  /** Takes nothing new; resolves when what is handled is over. Parts that take nothing leave it out. */
  drain?(): Promise<unknown>;
  /** Ends it: what is handled may go on for `drainMs`, then it is given up. */
  close(options: { readonly drainMs: number }): Promise<void>;
}

/**
 * Parts end phase by phase: first what takes work in (consumers, subscriptions, agents), since handlers that finish
 * still need the rest; then what is held (locks); last what others stand on (reply queues, watches).
 */
export type ShutdownPhase = 'consumers' | 'locks' | 'services';

/** How long one call of the transport may take that tidies up: what it leaves goes by its TTL. */
export const CLEANUP_MS = 2000;
/** How long a phase may take beyond its handlers. */
const FINISH_MS = 5000;

const PHASES: readonly ShutdownPhase[] = ['consumers', 'locks', 'services'];

/** The parts of one bus that are alive. */
export class Shutdown {
  readonly #parts: Record<ShutdownPhase, Set<BusPart>> = {
    consumers: new Set(),
    locks: new Set(),
    services: new Set(),
  };
  #closing = false;
  #drained = false;

  /** True once the end began: nothing new takes work in. */
  get isClosing(): boolean {
    return this.#closing;
  }

  /** True once all handlers are over: nothing more is sent. */
  get isDrained(): boolean {
    return this.#drained;
  }

  /** Lets `part` end with the bus. Returns what forgets it, for a part that ended by itself. */
  add(phase: ShutdownPhase, part: BusPart): () => void {
    const parts = this.#parts[phase];
    parts.add(part);
    return () => void parts.delete(part);
  }

  /** Takes nothing new anywhere; resolves when what is handled is over. */
  async drain(): Promise<void> {
    const parts = [...this.#parts.consumers];
    await Promise.all(parts.map((part) => part.drain?.()));
  }

  /** Ends all parts, phase by phase, each within bounds also while the server is away. `onError` gets what fails on the way. */
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
