/** What a handler gets beside the message: its signal, its progress, and verbs in the name of what is handled. */

import type { Origin } from '../messages/causation.ts';
import type { BusKernel } from '../runtime.ts';
import { Sender } from '../sender.ts';

/** How much a line of a log matters. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/**
 * What a handler gets beside the message. What is sent through it gets ids that follow from the message's id (per target
 * and type in order of sending), so that handling a message twice sends once; `hops` stops loops between agents. Requests
 * made through it end when its signal fires, so that nobody works for an asker who has gone.
 */
export interface Context extends Sender {
  /** Fires when the work is of no use any more: the lease was lost, the asker has gone, or the bus closes. */
  readonly signal: AbortSignal;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** Tells how far the work is: to whoever follows the task, or to the asker as a part of the reply. */
  progress(value: unknown): Promise<void>;
  /** Streams a part of the reply to the asker; waits while 64 are on their way. Nothing happens where nobody asked. */
  reply(part: unknown): Promise<void>;
  /** Renews the lease in full, now. It is renewed by itself while the handler runs. Rejects with LEASE_LOST. */
  extend(): Promise<void>;
  /** Writes a line to the log of the agent (its last 100 are kept). Nothing happens outside of agents. */
  log(text: string, level?: LogLevel): void;
}

/** What a context does in its place: who handles what decides. */
export interface ContextParts {
  readonly attempt: number;
  /** Something with the signal, which is made when first asked for. */
  readonly signalOf: { readonly signal: AbortSignal };
  readonly progress?: (value: unknown) => Promise<void>;
  readonly reply?: (part: unknown) => Promise<void>;
  readonly extend?: () => Promise<void>;
  readonly log?: (text: string, level: LogLevel) => void;
}

/** The context of one run of a handler. Parts left out do nothing. */
export class HandlerContext extends Sender implements Context {
  readonly #parts: ContextParts;

  constructor(kernel: BusKernel, origin: Origin, parts: ContextParts) {
    super(kernel, { ...origin, work: parts.signalOf });
    this.#parts = parts;
  }

  get signal(): AbortSignal {
    return this.#parts.signalOf.signal;
  }

  get attempt(): number {
    return this.#parts.attempt;
  }

  async progress(value: unknown): Promise<void> {
    await this.#parts.progress?.(value);
  }

  async reply(part: unknown): Promise<void> {
    await this.#parts.reply?.(part);
  }

  async extend(): Promise<void> {
    await this.#parts.extend?.();
  }

  log(text: string, level: LogLevel = 'info'): void {
    this.#parts.log?.(text, level);
  }
}
