/** Calls in progress: their time-outs, abort signals and what closing does to them. */

import type { CallOptions } from '../contract/call-options.ts';
import type { CallContext } from '../contract/driver.ts';
import { BusbarError, type Outcome } from '../contract/errors.ts';
import { checkDuration, checkSignal, MAX_TIMER_MS } from '../contract/validation.ts';
import { ChurnSet } from '../driver-kit/churn.ts';
import { Condition } from '../driver-kit/condition.ts';
import { Deadline, type DeadlineQueue } from '../driver-kit/deadline-queue.ts';
import type { KeepAlive } from '../driver-kit/keep-alive.ts';
import { type Abortable, isAborted, LazyAbortController, whenAborted } from '../driver-kit/lazy-abort.ts';
import type { Lifecycle } from './lifecycle.ts';

/** The time-out of a call without `timeoutMs`, unless the transport has another one. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** How a call is carried out. */
export interface CallPlan<T> {
  /** The outcome that its error reports when it is abandoned: after a time-out, an abort or at closing. */
  readonly whenAbandoned: Outcome;
  /** Bounds the call instead of the options' `timeoutMs`. */
  readonly timeoutMs?: number;
  /** Whether it only waits for messages, so that closing ends it. Default false. */
  readonly isWait?: boolean;
  /** Whether the process stays alive until it ends. Default true. */
  readonly keepsAlive?: boolean | undefined;
  /** The outer call, which abandons this one as a signal does. */
  readonly outer?: Abortable;
  /** Called when the call is abandoned. */
  readonly onAbandoned?: () => void;
  /** Takes the result of a call that was abandoned. */
  readonly onLate?: (value: T) => void;
}

type Work<T> = (context: CallContext) => Promise<T>;
type Bounds = { readonly [Name in keyof CallOptions]?: CallOptions[Name] | undefined };

/** What {@link InflightCalls} work with. */
export interface InflightDependencies {
  readonly deadlines: DeadlineQueue;
  readonly lifecycle: Lifecycle;
  readonly keepAlive: KeepAlive;
  /** The time-out of a call without one. */
  readonly callTimeoutMs: number;
}

/** The calls of one transport that are in progress. */
export class InflightCalls {
  readonly #lifecycle: Lifecycle;
  readonly #calls = new ChurnSet<Call>();
  /** Abandoned calls that the driver has not answered yet. */
  readonly #abandoned = new ChurnSet<Call>();
  readonly #deadlines: DeadlineQueue;
  readonly #keepAlive: KeepAlive;
  /** The time-out of a call without one. */
  readonly callTimeoutMs: number;
  readonly #idle = new Condition();
  #holds = 0;
  readonly #release = (): void => {
    this.#holds -= 1;
    this.#notifyIdle();
  };

  constructor({ deadlines, lifecycle, keepAlive, callTimeoutMs }: InflightDependencies) {
    this.#deadlines = deadlines;
    this.#lifecycle = lifecycle;
    this.#keepAlive = keepAlive;
    this.callTimeoutMs = callTimeoutMs;
  }

  /** Runs a call that changes nothing. */
  read<T>(options: Bounds | undefined, work: Work<T>): Promise<T> {
    this.#lifecycle.assertOpen();
    return this.run({ whenAbandoned: 'failed' }, options, work);
  }

  /** Runs a call that may have an effect after it is abandoned. */
  write<T>(options: Bounds | undefined, work: Work<T>): Promise<T> {
    this.#lifecycle.assertOpen();
    return this.run({ whenAbandoned: 'unknown' }, options, work);
  }

  /** Like {@link InflightCalls.write}, and legal while the transport closes: it ends work that has begun. */
  finish<T>(options: Bounds | undefined, work: Work<T>): Promise<T> {
    this.#lifecycle.assertOpen(true);
    return this.run({ whenAbandoned: 'unknown' }, options, work);
  }

  /** Runs a call that opens something; what it opens after it is abandoned is closed. */
  open<T extends { close(): Promise<void> }>(options: Bounds | undefined, work: Work<T>): Promise<T> {
    this.#lifecycle.assertOpen();
    return this.run({ whenAbandoned: 'failed', onLate: (late) => void late.close() }, options, work);
  }

  /** Runs `work` within the bounds of `options`. */
  run<T>(plan: CallPlan<T>, options: Bounds | undefined, work: Work<T>): Promise<T> {
    const { signal, timeoutMs: given } = options ?? {};
    checkSignal(signal);
    if (plan.timeoutMs === undefined) checkDuration(given, 'timeoutMs', { min: 1, max: MAX_TIMER_MS, infinity: true });
    const timeoutMs = plan.timeoutMs ?? given ?? this.callTimeoutMs;
    const outer = plan.outer ?? (signal && { signal });
    if (outer !== undefined && isAborted(outer)) return Promise.reject(abortedBy(outer.signal, 'failed'));
    return new Promise<T>((resolve, reject) => {
      const fail = (error: BusbarError): void => {
        reject(error);
        plan.onAbandoned?.();
      };
      const call: Call = new Call(plan, timeoutMs, fail, () => this.#abandon(call, this.#timedOut(call)));
      const stop = outer && whenAborted(outer, () => this.#abandon(call, abortedBy(outer.signal, plan.whenAbandoned)));
      this.#calls.add(call);
      if (call.keepsAlive) this.#keepAlive.hold();
      this.#deadlines.set(call.end, call.deadline);
      const end = (): boolean => {
        stop?.();
        return this.#end(call);
      };
      start(work, call).then(
        (value) => {
          if (end()) return resolve(value);
          plan.onLate?.(value);
          this.#notifyIdle();
        },
        (error: unknown) => {
          if (end()) return reject(error);
          this.#notifyIdle();
        },
      );
    });
  }

  /** Abandons every call that only waits; the others go on. */
  abandonWaits(error: BusbarError): void {
    for (const call of this.#calls) if (call.isWait) this.#abandon(call, error);
  }

  /** Resolves when the driver has answered every call. Abandons those that take longer than `ms`. */
  async whenIdle(ms: number): Promise<void> {
    if (this.#isIdle()) return;
    await this.#idle.waitFor(ms);
    for (const call of this.#calls) {
      this.#abandon(call, new BusbarError('CLOSED', 'the transport was closed', { outcome: call.whenAbandoned }));
    }
  }

  /** Makes {@link InflightCalls.whenIdle} wait until the returned function is called. */
  hold(): () => void {
    this.#holds += 1;
    return this.#release;
  }

  #isIdle(): boolean {
    return this.#calls.size === 0 && this.#abandoned.size === 0 && this.#holds === 0;
  }

  /** The driver has answered. Returns whether the caller still waits. */
  #end(call: Call): boolean {
    const isAwaited = this.#remove(call);
    this.#abandoned.delete(call);
    if (isAwaited) this.#notifyIdle();
    return isAwaited;
  }

  #notifyIdle(): void {
    if (this.#isIdle()) this.#idle.notify();
  }

  #abandon(call: Call, error: BusbarError): void {
    if (!this.#remove(call)) return;
    this.#abandoned.add(call);
    call.fail(error);
    call.abort(error);
  }

  /** The caller waits no longer. Returns whether it has waited until now. */
  #remove(call: Call): boolean {
    if (!this.#calls.delete(call)) return false;
    this.#deadlines.cancel(call.end);
    if (call.keepsAlive) this.#keepAlive.release();
    return true;
  }

  #timedOut(call: Call): BusbarError {
    const outcome = call.whenAbandoned;
    if (this.#lifecycle.state !== 'reconnecting') {
      return new BusbarError('TIMEOUT', 'the call did not end in time', {
        outcome,
        hint: 'Raise timeoutMs, or look at the load.',
      });
    }
    const { awayReason } = this.#lifecycle;
    const reason = awayReason === undefined ? '' : ` (${awayReason.message})`;
    return new BusbarError('UNAVAILABLE', `the server is away and did not come back in time${reason}`, {
      outcome,
      hint: awayReason?.hint ?? 'See that the server runs; the transport reconnects by itself.',
    });
  }
}

/** ABORTED, with the signal's reason as its cause. */
function abortedBy(signal: AbortSignal, outcome: Outcome): BusbarError {
  return new BusbarError('ABORTED', 'the call was aborted by its signal', { outcome, cause: signal.reason });
}

/** Throws ABORTED when `signal` has fired. */
export function assertNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortedBy(signal, 'failed');
}

/** One call, and the context that its driver sees. */
class Call extends LazyAbortController implements CallContext {
  readonly deadline: number;
  readonly whenAbandoned: Outcome;
  readonly isWait: boolean;
  readonly keepsAlive: boolean;
  readonly fail: (error: BusbarError) => void;
  readonly end: Deadline;

  constructor(
    { whenAbandoned, isWait = false, keepsAlive = true }: CallPlan<never>,
    timeoutMs: number,
    fail: (error: BusbarError) => void,
    onTimeout: () => void,
  ) {
    super();
    this.deadline = performance.now() + timeoutMs;
    this.whenAbandoned = whenAbandoned;
    this.isWait = isWait;
    this.keepsAlive = keepsAlive;
    this.fail = fail;
    this.end = new Deadline(onTimeout);
  }
}

/** Calls `work`; a thrown error becomes a rejection. */
function start<T>(work: Work<T>, context: CallContext): Promise<T> {
  try {
    return Promise.resolve(work(context));
  } catch (error) {
    return Promise.reject(error);
  }
}
