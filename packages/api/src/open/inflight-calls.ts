/** Calls under way: their time-outs, abort signals and what happens to them when the transport closes. */

import type { CallContext } from '../contract/driver.ts';
import { BusbarError, type Outcome, toBusbarError } from '../contract/errors.ts';
import type { CallOptions } from '../contract/transport.ts';
import { checkDuration, checkSignal, MAX_TIMER_MS } from '../contract/validation.ts';

/** How long a call may take that does not say it. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** How a call is carried out. */
export interface CallPlan<T> {
  /** Its name in errors, such as `queues.send`. */
  readonly operation: string;
  /** What it may have done when nobody waits for it any more. */
  readonly whenAbandoned: Outcome;
  /** Whether it only waits for something to come, so that closing ends it. Default false. */
  readonly isWait?: boolean;
  /** Gets what a call brought after it had been given up. */
  readonly onLate?: (value: T) => void;
}

/** The calls of one transport that are under way. */
export class CallsUnderWay {
  readonly #transport: string;
  readonly #isReconnecting: () => boolean;
  readonly #calls = new Set<Call>();
  /** Given up, but the backend is still at them. */
  readonly #abandoned = new Set<Call>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #idle: (() => void)[] = [];

  constructor(transport: string, isReconnecting: () => boolean) {
    this.#transport = transport;
    this.#isReconnecting = isReconnecting;
  }

  /** Runs `work` within the bounds that `options` give. */
  run<T>(plan: CallPlan<T>, options: CallOptions | undefined, work: (context: CallContext) => Promise<T>): Promise<T> {
    const timeoutMs = checkBounds(options);
    const signal = options?.signal;
    if (signal?.aborted === true)
      return Promise.reject(abortedBy(signal, 'failed').at(plan.operation, this.#transport));
    return new Promise<T>((resolve, reject) => {
      const fail = (error: BusbarError): void => reject(error.at(plan.operation, this.#transport));
      const call = new Call(performance.now() + timeoutMs, plan.whenAbandoned, plan.isWait ?? false, fail);
      const onAbort = signal && (() => this.#giveUp(call, abortedBy(signal, plan.whenAbandoned)));
      if (onAbort) signal.addEventListener('abort', onAbort, { once: true });
      this.#begin(call);
      const end = (): boolean => {
        if (onAbort) signal.removeEventListener('abort', onAbort);
        return this.#end(call);
      };
      start(work, call).then(
        (value) => {
          if (end()) return resolve(value);
          plan.onLate?.(value);
          this.#noticeIdle();
        },
        (error: unknown) => {
          if (end()) return reject(toBusbarError(error).at(plan.operation, this.#transport));
          this.#noticeIdle();
        },
      );
    });
  }

  /** Gives up every call that only waits; the others go on to their end. */
  giveUpWaits(error: BusbarError): void {
    for (const call of this.#calls) if (call.isWait) this.#giveUp(call, error);
  }

  /** Resolves when the backend is at no call any more; gives up those that take longer than `ms`. */
  async whenIdle(ms: number): Promise<void> {
    if (this.#isIdle()) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    for (const call of this.#calls) {
      const error = new BusbarError('CLOSED', 'the transport was closed', { outcome: call.whenAbandoned });
      this.#giveUp(call, error);
    }
  }

  #isIdle(): boolean {
    return this.#calls.size === 0 && this.#abandoned.size === 0;
  }

  #begin(call: Call): void {
    this.#calls.add(call);
    if (call.deadline < this.#timerAt) this.#arm(call.deadline);
  }

  /** The backend is done with `call`. False when nobody waits for it any more. */
  #end(call: Call): boolean {
    const wasAwaited = this.#calls.delete(call);
    if (this.#calls.size === 0) this.#disarm();
    this.#abandoned.delete(call);
    if (wasAwaited) this.#noticeIdle();
    return wasAwaited;
  }

  #noticeIdle(): void {
    if (this.#isIdle()) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #giveUp(call: Call, error: BusbarError): void {
    if (!this.#calls.delete(call)) return;
    this.#abandoned.add(call);
    if (this.#calls.size === 0) this.#disarm();
    call.fail(error);
    call.abandon(error);
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => this.#expire(),
      Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(at - performance.now()))),
    );
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #expire(): void {
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const call of this.#calls) {
      if (call.deadline <= now) this.#giveUp(call, this.#timedOut(call));
      else if (call.deadline < next) next = call.deadline;
    }
    this.#arm(next);
  }

  #timedOut(call: Call): BusbarError {
    const outcome = call.whenAbandoned;
    if (!this.#isReconnecting()) {
      return new BusbarError('TIMEOUT', 'the call did not end in time', {
        outcome,
        hint: 'Raise timeoutMs, or look at the load.',
      });
    }
    return new BusbarError('UNAVAILABLE', 'the server is away and did not come back in time', {
      outcome,
      hint: 'See that the server runs; the transport reconnects by itself.',
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

/** One call, and the context its backend sees. */
class Call implements CallContext {
  readonly deadline: number;
  readonly whenAbandoned: Outcome;
  readonly isWait: boolean;
  readonly fail: (error: BusbarError) => void;
  #controller: AbortController | undefined;
  #abandoned: BusbarError | undefined;

  constructor(deadline: number, whenAbandoned: Outcome, isWait: boolean, fail: (error: BusbarError) => void) {
    this.deadline = deadline;
    this.whenAbandoned = whenAbandoned;
    this.isWait = isWait;
    this.fail = fail;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abandoned !== undefined) this.#controller.abort(this.#abandoned);
    }
    return this.#controller.signal;
  }

  abandon(error: BusbarError): void {
    this.#abandoned = error;
    this.#controller?.abort(error);
  }
}

/** The `timeoutMs` of the options, checked. */
function checkBounds(options: CallOptions | undefined): number {
  checkSignal(options?.signal);
  checkDuration(options?.timeoutMs, 'timeoutMs', { min: 1, max: MAX_TIMER_MS, infinity: true });
  return options?.timeoutMs ?? DEFAULT_TIMEOUT_MS;
}

/** Calls `work`; what it throws becomes a rejection. */
async function start<T>(work: (context: CallContext) => Promise<T>, context: CallContext): Promise<T> {
  return await work(context);
}
