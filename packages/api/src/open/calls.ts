/** The `calls` facet of a transport: checks arguments and bounds each call. */

import type { CallOptions } from '../contract/call-options.ts';
import type { Calls, Service } from '../contract/calls.ts';
import type { CallContext, CallDriver } from '../contract/driver.ts';
import { BusbarError, toBusbarError } from '../contract/errors.ts';
import type { Message, MessageInput } from '../contract/message.ts';
import { checkQueueName } from '../contract/names.ts';
import {
  checkDuration,
  checkFunction,
  checkInteger,
  checkOptions,
  checkSignal,
  MAX_TIMER_MS,
} from '../contract/validation.ts';
import { Deadline } from '../driver-kit/deadline-queue.ts';
import { LazyAbortController } from '../driver-kit/lazy-abort.ts';
import { onAbort } from '../driver-kit/on-abort.ts';
import { withErrorContext } from './error-context.ts';
import { assertNotAborted, DEFAULT_TIMEOUT_MS } from './inflight-calls.ts';
import { prepareCall } from './prepare-message.ts';
import type { TransportInternals } from './transport-internals.ts';

const DEFAULT_MAX = 16;
/** Shared: a new error with its stack costs a seventh of a request. */
const LEFT = new BusbarError('ABORTED', 'the caller has stopped reading');

/** The `calls` facet over `driver`. */
export function openCalls(internals: TransportInternals, driver: CallDriver): Calls {
  const serving: Pick<Calls, 'serve'> = {
    async serve(address, options, handler) {
      checkQueueName(address);
      checkOptions(options, ['max'], 'serve options');
      checkInteger(options?.max, 'max', { min: 1, max: 10_000 });
      checkFunction(handler, 'handler');
      const service = await internals.inflight.open(undefined, (context) =>
        driver.serve(address, options?.max ?? DEFAULT_MAX, handler, context),
      );
      return trackService(service, internals);
    },
  };
  return {
    reach: driver.reach,
    ...withErrorContext(serving, 'calls', internals.driver.name),
    call: (address, message, options) =>
      new RunningCall({ internals, driver, address, message, options: options ?? {} }),
  };
}

/** What a {@link RunningCall} is made of. */
interface CallPlan {
  readonly internals: TransportInternals;
  readonly driver: CallDriver;
  readonly address: string;
  readonly message: MessageInput;
  readonly options: CallOptions;
}

const DONE: IteratorResult<Message> = { done: true, value: undefined };

/**
 * One call and its replies. It starts with the first read. It ends at its deadline, when its signal fires, or when the transport
 * closes, also while its replies are not read. Errors name the operation and the transport. It is not a generator: that costs
 * a tenth of a request.
 */
class RunningCall extends LazyAbortController implements CallContext, AsyncIterableIterator<Message> {
  deadline: number = Number.POSITIVE_INFINITY;
  readonly #plan: CallPlan;
  #replies: AsyncIterator<Message> | undefined;
  #reading: Promise<IteratorResult<Message>> | undefined;
  /** Ends the pending read. */
  #fail: ((error: BusbarError) => void) | undefined;
  /** The end that the caller has not read. */
  #error: BusbarError | undefined;
  #isOver = false;
  #free: () => void = () => undefined;

  constructor(plan: CallPlan) {
    super();
    this.#plan = plan;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message>> {
    if (this.#reading !== undefined) {
      const again = (): Promise<IteratorResult<Message>> => this.next();
      return this.#reading.then(again, again);
    }
    try {
      const replies = this.#isOver ? undefined : (this.#replies ?? this.#start());
      if (replies !== undefined) return this.#read(replies);
    } catch (error) {
      this.#done();
      return Promise.reject(this.#locate(error));
    }
    const error = this.#error;
    this.#error = undefined;
    return error === undefined ? Promise.resolve(DONE) : Promise.reject(error);
  }

  /** The caller leaves. */
  return(): Promise<IteratorResult<Message>> {
    this.#error = undefined;
    if (!this.#isOver) this.#leave(LEFT, LEFT);
    return Promise.resolve(DONE);
  }

  /** The transport closes. */
  async close(): Promise<void> {
    this.#end(new BusbarError('CLOSED', 'the transport was closed', { outcome: 'unknown' }));
  }

  #start(): AsyncIterator<Message> {
    const { internals, driver, address, message, options } = this.#plan;
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
    internals.lifecycle.assertOpen();
    checkQueueName(address);
    checkOptions(options, ['timeoutMs', 'signal'], 'call options');
    checkDuration(options.timeoutMs, 'timeoutMs', { min: 1, max: MAX_TIMER_MS, infinity: true });
    checkSignal(signal);
    assertNotAborted(signal);
    const prepared = prepareCall(message, internals.driver.capabilities);
    this.deadline = performance.now() + timeoutMs;
    this.#replies = driver.call(address, prepared, this)[Symbol.asyncIterator]();
    this.#bound(internals, signal);
    return this.#replies;
  }

  /** Ends the call at its deadline, when its signal fires, and with the transport. Keeps the process alive until then. */
  #bound({ deadlines, keepAlive, closables }: TransportInternals, signal: AbortSignal | undefined): void {
    const forget =
      signal &&
      onAbort(signal, () =>
        this.#end(
          new BusbarError('ABORTED', 'the call was aborted by its signal', {
            cause: signal.reason,
            outcome: 'unknown',
          }),
        ),
      );
    const timeout = new Deadline(() => this.#end(timedOut()));
    deadlines.set(timeout, this.deadline);
    keepAlive.hold();
    closables.add(this);
    this.#free = () => {
      closables.delete(this);
      keepAlive.release();
      deadlines.cancel(timeout);
      forget?.();
    };
  }

  #read(replies: AsyncIterator<Message>): Promise<IteratorResult<Message>> {
    const reading = new Promise<IteratorResult<Message>>((resolve, reject) => {
      this.#fail = reject;
      replies.next().then(
        (result) => {
          this.#reading = undefined;
          if (result.done === true) this.#done();
          resolve(result);
        },
        (error: unknown) => {
          this.#reading = undefined;
          this.#done();
          reject(this.#locate(error));
        },
      );
    });
    this.#reading = reading;
    return reading;
  }

  #end(error: BusbarError): void {
    if (this.#isOver) return;
    const located = this.#locate(error);
    if (this.#reading === undefined) this.#error = located;
    this.#leave(error, located);
  }

  /** Ends the call, and a pending read with an error. */
  #leave(reason: BusbarError, error: BusbarError): void {
    this.#done();
    if (this.#reading !== undefined) this.#fail?.(error);
    this.#reading = undefined;
    this.abort(reason);
    void Promise.resolve(this.#replies?.return?.()).catch(() => undefined);
  }

  #done(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#free();
  }

  #locate(error: unknown): BusbarError {
    return toBusbarError(error).at('calls.call', this.#plan.internals.driver.name);
  }
}

function timedOut(): BusbarError {
  return new BusbarError('TIMEOUT', 'no reply came in time', {
    outcome: 'unknown',
    hint: 'Raise timeoutMs, or look at the responder.',
  });
}

function trackService(service: Service, { closables, keepAlive }: TransportInternals): Service {
  const tracked: Service = {
    close: async () => {
      const closing = keepAlive.during(service.close());
      if (closables.delete(tracked)) keepAlive.release();
      await closing;
    },
    [Symbol.asyncDispose]: () => tracked.close(),
  };
  closables.add(tracked);
  keepAlive.hold();
  return tracked;
}
