/** One of the two stores of a transport that follows a move. */

import { BusbarError, type TopicEvent, type Transport } from '@busbar/api/transport';
import type { Cut } from '../mark.ts';

/** A receipt or a position with the generation of its store: at most 512 bytes leave room for it. */
const TAGGED = /^([0-9a-z]{2})~(.+)$/s;

/** One of the two stores. */
export interface Side {
  readonly name: string;
  /** Undefined if the store could not be reached when the transport was opened, because the bus is in the other one. */
  readonly transport: Transport | undefined;
}

/** A store for the time in which it carries the bus. */
export class Carrier {
  readonly name: string;
  readonly transport: Transport;
  /** How often the bus had moved when it came here. */
  readonly generation: number;
  /** Where the events that came from the other store end; undefined if this is not known. */
  readonly cut: string | undefined;
  /** The carrier after it, once the bus has moved. */
  next: Carrier | undefined;
  readonly #leaving = new Set<() => void>();
  readonly #tag: string;

  constructor(name: string, transport: Transport, cut: Pick<Cut, 'generation' | 'position'>) {
    this.name = name;
    this.transport = transport;
    this.generation = cut.generation;
    this.cut = cut.position;
    this.#tag = `${cut.generation.toString(36).padStart(2, '0')}~`;
  }

  /** Whether the bus has moved from here. */
  get isLeft(): boolean {
    return this.next !== undefined;
  }

  /** Calls `listener` when the bus has moved from here. Returns a function that ends this. */
  onLeave(listener: () => void): () => void {
    this.#leaving.add(listener);
    return () => this.#leaving.delete(listener);
  }

  /** The bus is in `next` now. */
  leave(next: Carrier): void {
    this.next = next;
    for (const listener of this.#leaving) listener();
    this.#leaving.clear();
  }

  /** A receipt or a position of this store, for the caller. Positions of later stores are higher. */
  tag(inner: string): string {
    return this.#tag + inner;
  }

  /** An event of this store, for the caller. */
  tagEvent(event: TopicEvent): TopicEvent {
    return event.position === undefined ? event : { ...event, position: this.tag(event.position) };
  }
}

/** A receipt or a position of a caller: of which generation it is. One without a generation is foreign. */
export function untag(text: string): { readonly generation: number | undefined; readonly inner: string } {
  const [, generation, inner] = TAGGED.exec(text) ?? [];
  if (generation === undefined || inner === undefined) return { generation: undefined, inner: text };
  return { generation: Number.parseInt(generation, 36), inner };
}

/** CONFLICT: the bus is in a store that this transport does not know. */
export function movedElsewhere(side: Side, movedTo: string | undefined, other: Side): BusbarError {
  return new BusbarError('CONFLICT', `the bus has moved from ${side.name} to ${movedTo}`, {
    hint: `This transport follows to ${other.name} only. Set MESSAGE_BUS to the new store.`,
  });
}
