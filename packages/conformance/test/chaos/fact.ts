// What a round records: what its clients did and saw.

/** The outcome of a send. `unknown`: the message may be stored. */
export type SendOutcome = 'stored' | 'failed' | 'unknown';

/**
 * One thing that a client did or saw. A stream is a queue, an inbox, a durable subscription (`sub:NAME`) or a live one
 * (`live:NAME`). Events are sent to the stream `events`.
 */
export type Action =
  | {
      readonly kind: 'sent';
      readonly stream: string;
      readonly id: string;
      readonly outcome: SendOutcome;
      /** When the first call began. */
      readonly calledAt: number;
      readonly delayMs: number;
    }
  | {
      readonly kind: 'got';
      readonly stream: string;
      readonly id: string;
      readonly attempt: number;
      /** When the receive was called; undefined where the bus received. */
      readonly calledAt?: number;
      readonly key?: string;
    }
  /** A settlement that ends a message was done. */
  | { readonly kind: 'ended'; readonly stream: string; readonly id: string; readonly attempt: number }
  | { readonly kind: 'locked'; readonly token: number; readonly askedAt: number }
  /** The holder of a lock looked at it, and it was not lost. */
  | { readonly kind: 'wrote'; readonly token: number }
  /** Reported before the write, since a kill may come between the two. */
  | { readonly kind: 'incrementing' }
  | { readonly kind: 'incremented'; readonly outcome: SendOutcome }
  | { readonly kind: 'ready' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'closed' }
  | { readonly kind: 'lossReported' }
  /** What must not happen. */
  | { readonly kind: 'wrong'; readonly text: string };

/** An action with its client and time. */
export type Fact = Action & {
  readonly client: string;
  /** The number of the client's process, from 1. */
  readonly life: number;
  /** On the clock of {@link now}. */
  readonly at: number;
};

/** An order to a client. */
export type Order =
  | { readonly kind: 'stop' }
  | { readonly kind: 'close' }
  | { readonly kind: 'block'; readonly ms: number }
  | { readonly kind: 'shiftClock'; readonly ms: number };

/** Milliseconds on the monotonic clock of this machine, which all of its processes share. */
export function now(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
