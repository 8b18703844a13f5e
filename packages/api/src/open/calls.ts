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
    call: (address, message, options) => call(internals, driver, address, message, options ?? {}),
  };
}

/** The replies to one call. Errors name the operation and the transport. */
async function* call(
  internals: TransportInternals,
  driver: CallDriver,
  address: string,
  message: MessageInput,
  options: CallOptions,
): AsyncGenerator<Message> {
  try {
    internals.lifecycle.assertOpen();
    checkQueueName(address);
    checkOptions(options, ['timeoutMs', 'signal'], 'call options');
    checkDuration(options.timeoutMs, 'timeoutMs', { min: 1, max: MAX_TIMER_MS, infinity: true });
    checkSignal(options.signal);
    assertNotAborted(options.signal);
    const prepared = prepareCall(message, internals.driver.capabilities);
    const running = new RunningCall(options, internals, (context) => driver.call(address, prepared, context));
    internals.closables.add(running);
    try {
      while (true) {
        const next = await running.next();
        if (next.done === true) return running.done();
        yield next.value;
      }
    } finally {
      internals.closables.delete(running);
      running.end(LEFT);
    }
  } catch (error) {
    throw toBusbarError(error).at('calls.call', internals.driver.name);
  }
}

/** One call: it ends at its deadline, when its signal fires, or when the transport closes, also while its replies are not read. */
class RunningCall extends LazyAbortController implements CallContext {
  readonly deadline: number;
  readonly #replies: AsyncIterator<Message>;
  #error: BusbarError | undefined;
  #isOver = false;
  /** Rejects the pending read. */
  #fail: ((error: BusbarError) => void) | undefined;
  readonly #free: () => void;

  constructor(
    { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: CallOptions,
    { deadlines, keepAlive }: TransportInternals,
    start: (context: CallContext) => AsyncIterable<Message>,
  ) {
    super();
    this.deadline = performance.now() + timeoutMs;
    this.#replies = start(this)[Symbol.asyncIterator]();
    const onAbort = (): void =>
      this.end(
        new BusbarError('ABORTED', 'the call was aborted by its signal', { cause: signal?.reason, outcome: 'unknown' }),
      );
    const onTime = (): void =>
      this.end(
        new BusbarError('TIMEOUT', 'no reply came in time', {
          outcome: 'unknown',
          hint: 'Raise timeoutMs, or look at the responder.',
        }),
      );
    const timeout = new Deadline(onTime);
    deadlines.set(timeout, this.deadline);
    keepAlive.hold();
    this.#free = () => {
      keepAlive.release();
      deadlines.cancel(timeout);
      signal?.removeEventListener('abort', onAbort);
    };
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  }

  /** The next reply; rejects as soon as the call ends. One at a time. Cheaper than a race with a promise that may never settle. */
  next(): Promise<IteratorResult<Message>> {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      this.#replies.next().then(resolve, reject);
      if (this.#error !== undefined) reject(this.#error);
    });
  }

  /** The last reply was read. */
  done(): void {
    this.#isOver = true;
    this.#free();
  }

  end(error: BusbarError): void {
    if (this.#isOver) return;
    this.done();
    this.#error = error;
    this.#fail?.(error);
    this.abort(error);
    void Promise.resolve(this.#replies.return?.()).catch(() => undefined);
  }

  /** The transport closes. */
  async close(): Promise<void> {
    this.end(new BusbarError('CLOSED', 'the transport was closed', { outcome: 'unknown' }));
  }
}

function trackService(service: Service, { closables, keepAlive }: TransportInternals): Service {
  const tracked: Service = {
    close: async () => {
      if (closables.delete(tracked)) keepAlive.release();
      await service.close();
    },
    [Symbol.asyncDispose]: () => tracked.close(),
  };
  closables.add(tracked);
  keepAlive.hold();
  return tracked;
}
