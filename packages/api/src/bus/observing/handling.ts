/** Emits the events of the messages that one consumer, responder or subscription handles. */

import type { Settlement } from '../../contract/queues.ts';
import type { BusEventEmitter, BusEventMap } from './bus-events.ts';
import type { MessageSource } from './message-source.ts';

/** A message in hand. */
interface Handled {
  readonly id: string;
  readonly type?: string | undefined;
  /** Default 1. */
  readonly attempt?: number | undefined;
}

/** What is known of its lease. */
interface Hold {
  /** By `performance.now()`; undefined if another process has received the message. */
  readonly heldAt?: number | undefined;
  readonly isCancelled?: boolean;
}

type Ending = 'done' | 'cancelled' | 'failed' | 'released' | 'lease-lost';
type Details<Name extends Ending> = Omit<BusEventMap[Name], keyof BusEventMap['done']>;

function withDelay(delayMs: number | undefined): { readonly delayMs?: number } {
  return delayMs === undefined ? {} : { delayMs };
}

/** The events of one source. */
export class Handling {
  readonly #events: BusEventEmitter;
  readonly #source: MessageSource;

  constructor(events: BusEventEmitter, source: MessageSource) {
    this.#events = events;
    this.#source = source;
  }

  started(message: Handled): void {
    if (this.#events.isHeard('started')) this.#events.emit('started', this.#at(message));
  }

  /** The end of an attempt, by its settlement. A failure of the last one makes the message a dead letter. */
  settled(message: Handled & Hold, settlement: Settlement, lease: Hold = message, isLast = false): void {
    const { heldAt, isCancelled = false } = lease;
    const { action } = settlement;
    if (action === 'ack') this.ended(isCancelled ? 'cancelled' : 'done', message, heldAt, {});
    else if (action === 'release') this.ended('released', message, heldAt, withDelay(settlement.delayMs));
    else if (action !== 'extend') {
      const { reason = '' } = settlement;
      const isRetried = action === 'retry' && !isLast;
      const next = isRetried
        ? { next: 'retry' as const, delayMs: settlement.delayMs }
        : { next: 'dead-letter' as const };
      this.ended('failed', message, heldAt, { reason, ...next });
    }
  }

  ended<Name extends Ending>(
    name: Name,
    message: Handled,
    startedAt: number | undefined,
    details: Details<Name>,
  ): void {
    if (!this.#events.isHeard(name)) return;
    const durationMs = startedAt === undefined ? {} : { durationMs: performance.now() - startedAt };
    this.#events.emit(name, { ...this.#at(message), ...durationMs, ...details } as Omit<BusEventMap[Name], 'at'>);
  }

  #at({ id, type, attempt = 1 }: Handled): Omit<BusEventMap['started'], 'at'> {
    return { ...this.#source, ...(type !== undefined && { type }), id, attempt };
  }
}
