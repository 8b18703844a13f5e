/** The origin of messages: sender, derived ids, causation and hops. */

import { BusbarError } from '../../contract/errors.ts';
import type { Message } from '../../contract/message.ts';
import type { MessageSource } from '../observing/message-source.ts';
import { deriveId, fingerprint } from './deterministic-id.ts';

/** The most handlers between the first message and a message that it caused. More count as a loop. */
export const MAX_HOPS = 32;

/** The sender of a message and the message that caused it. */
export interface Origin {
  /** The name of the agent; undefined for the bus itself. */
  readonly from: string | undefined;
  /** The message that is handled; undefined outside of handlers. */
  readonly cause: Causation | undefined;
  /** Has the signal of the handler; its requests end when the signal fires. */
  readonly work?: { readonly signal: AbortSignal };
  /** How the message that is handled was received; undefined outside of handlers. */
  readonly handled?: { readonly attempt: number; readonly source: MessageSource };
}

/** The message whose handler sends other messages. */
export class Causation {
  readonly id: string;
  readonly #hops: number;
  readonly #scope: string | undefined;
  #ordinals: Map<string, number> | undefined;

  /**
   * `scope` names the consumer, such as the queue, of a message that may be handled again. Ids of sent messages are then
   * derived from its id, so handling it twice sends an equal message once. Without a scope ids are random.
   */
  constructor(message: Pick<Message, 'id' | 'hops'>, scope?: string) {
    this.id = message.id;
    this.#hops = message.hops;
    this.#scope = scope;
  }

  /** The hops of the next message. Throws CONFLICT beyond {@link MAX_HOPS}. */
  get nextHops(): number {
    if (this.#hops < MAX_HOPS) return this.#hops + 1;
    throw new BusbarError('CONFLICT', `the message went through ${MAX_HOPS} handlers: this looks like a loop`, {
      hint: 'Check for agents that reply to each other without end. Send outside of a handler to reset the count.',
    });
  }

  /** The derived id of the next message of this kind to this target with this body; undefined without a scope. */
  nextId(kind: string, target: string, type: string | undefined, body?: Uint8Array): string | undefined {
    if (this.#scope === undefined) return undefined;
    // Counted per target, type and body: an attempt that sends in another order keeps the ids, one that sends another body
    // sends a new message.
    const stream = `${kind}\n${target}\n${type ?? ''}${body === undefined ? '' : `\n${fingerprint(body)}`}`;
    this.#ordinals ??= new Map();
    const ordinal = this.#ordinals.get(stream) ?? 0;
    this.#ordinals.set(stream, ordinal + 1);
    return deriveId(`${this.id}\n${this.#scope}\n${stream}\n${ordinal}`);
  }
}

/** The origin of messages of the bus itself. */
export const NO_ORIGIN: Origin = Object.freeze({ from: undefined, cause: undefined });
