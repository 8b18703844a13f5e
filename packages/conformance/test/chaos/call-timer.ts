// Measures calls without the time in which the process itself stood still.
import { type BusbarError, isBusbarError } from '@busbar/api';

const TICK_MS = 50;
/** How far a call may exceed its bound: timers are late on a busy machine. */
const SLACK_MS = 3_000;

/** The result of a call, or its error. */
export type CallResult<T> = { readonly value: T } | { readonly error: BusbarError };

/** Runs calls, and reports those that exceed their bound or fail with an error that no fault explains. */
export class CallTimer {
  readonly #wrong: (text: string) => void;
  readonly #closing: AbortSignal;
  #lostMs = 0;
  #tickAt = performance.now();

  /** After `closing` fires, calls may also fail with CLOSED and ABORTED. */
  constructor(wrong: (text: string) => void, closing: AbortSignal) {
    this.#wrong = wrong;
    this.#closing = closing;
    setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** Runs `call`, which takes at most `boundMs` and may fail with UNAVAILABLE, TIMEOUT, BACKPRESSURE or one of `codes`. */
  async run<T>(
    what: string,
    boundMs: number,
    codes: readonly string[],
    call: () => Promise<T>,
  ): Promise<CallResult<T>> {
    const began = this.#workingTime();
    try {
      return { value: await call() };
    } catch (error) {
      const closing = this.#closing.aborted ? ['CLOSED', 'ABORTED'] : [];
      const explained = ['UNAVAILABLE', 'TIMEOUT', 'BACKPRESSURE', ...closing, ...codes];
      if (!isBusbarError(error) || !explained.includes(error.code)) this.#wrong(`${what} failed: ${describe(error)}`);
      if (isBusbarError(error)) return { error };
      throw error;
    } finally {
      const ms = this.#workingTime() - began;
      if (ms > boundMs + SLACK_MS) this.#wrong(`${what} took ${Math.round(ms)} ms, and its bound is ${boundMs} ms`);
    }
  }

  #workingTime(): number {
    this.#tick();
    return this.#tickAt - this.#lostMs;
  }

  #tick(): void {
    const at = performance.now();
    this.#lostMs += Math.max(0, at - this.#tickAt - 2 * TICK_MS);
    this.#tickAt = at;
  }
}

/** An error with its code and causes on one line. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = isBusbarError(error) ? `${error.code} ` : '';
  const cause = error.cause === undefined ? '' : `; cause: ${describe(error.cause)}`;
  return `${code}${error.message}${cause}`;
}
