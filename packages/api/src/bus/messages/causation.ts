/** Who sends, and because of what: where ids, causation and hops of messages come from. */

import { BusbarError } from '../../contract/errors.ts';
import type { Message } from '../../contract/message.ts';
import { deriveId } from './deterministic-id.ts';

/** How many handlers may lie between the first cause and a message: what is sent beyond is a loop. */
export const MAX_HOPS = 32;

/** In whose name something is sent, and because of which message. */
export interface Origin {
  /** Name of the agent; undefined for the bus itself. */
  readonly from: string | undefined;
  /** What is being handled; undefined outside of handlers. */
  readonly cause: Causation | undefined;
  /** The work it is part of: what is asked for it is of no use any more when its signal fires. */
  readonly work?: { readonly signal: AbortSignal };
}

/** The message whose handling sends others. */
export class Causation {
  readonly id: string;
  readonly #hops: number;
  readonly #scope: string | undefined;
  #ordinals: Map<string, number> | undefined;

  /**
   * `scope` names who handles the message, such as its queue, where it may be handled again: what is sent then has ids
   * that follow from the message's, so that handling it twice sends once. Without a scope ids are new.
   */
  constructor(message: Pick<Message, 'id' | 'hops'>, scope?: string) {
    this.id = message.id;
    this.#hops = message.hops;
    this.#scope = scope;
  }

  /** The hops of what is sent now. Throws CONFLICT beyond {@link MAX_HOPS}. */
  get nextHops(): number {
    if (this.#hops < MAX_HOPS) return this.#hops + 1;
    throw new BusbarError('CONFLICT', `the message went through ${MAX_HOPS} handlers: this looks like a loop`, {
      hint: 'See that agents do not answer each other for ever; send outside of a handler to begin anew.',
    });
  }

  /** The id of the next message of this kind to this target; undefined for a new one. */
  nextId(kind: string, target: string, type: string | undefined): string | undefined {
    if (this.#scope === undefined) return undefined;
    // Counted per target and type, so that sends that race to different targets keep their ids.
    const stream = `${kind}\n${target}\n${type ?? ''}`;
    this.#ordinals ??= new Map();
    const ordinal = this.#ordinals.get(stream) ?? 0;
    this.#ordinals.set(stream, ordinal + 1);
    return deriveId(`${this.id}\n${this.#scope}\n${stream}\n${ordinal}`);
  }
}

/** Nobody, because of nothing. */
export const NO_ORIGIN: Origin = Object.freeze({ from: undefined, cause: undefined });
