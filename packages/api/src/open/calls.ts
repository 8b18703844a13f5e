/** The fast path of requests: arguments checked, time-outs kept, replies credited. */

import type { CallContext, CallDriver } from '../contract/driver.ts';
import { BusbarError, toBusbarError } from '../contract/errors.ts';
import type { Message, MessageInput } from '../contract/message.ts';
import { checkQueueName } from '../contract/names.ts';
import type { CallOptions, Calls, Service } from '../contract/transport.ts';
import {
  checkDuration,
  checkFunction,
  checkInteger,
  checkOptions,
  checkSignal,
  MAX_TIMER_MS,
} from '../contract/validation.ts';
import { assertNotAborted, DEFAULT_TIMEOUT_MS } from './inflight-calls.ts';
import { stamp } from './prepare-message.ts';
import type { Shared } from './transport-internals.ts';

const DEFAULT_MAX = 16;
/** One for all who leave: an error of its own, with its stack, costs a seventh of a request. */
const LEFT = new BusbarError('ABORTED', 'the caller left');

/** The fast path over `backend`. */
export function openCalls(shared: Shared, backend: CallDriver): Calls {
  return {
    async serve(address, options, handler) {
      shared.assertOpen('calls.serve');
      checkQueueName(address);
      checkOptions(options, ['max'], 'serve options');
      checkInteger(options?.max, 'max', { min: 1, max: 10_000 });
      checkFunction(handler, 'handler');
      const plan = { operation: 'calls.serve', whenAbandoned: 'failed' } as const;
      const service = await shared.underWay.run(plan, undefined, (context) =>
        backend.serve(address, options?.max ?? DEFAULT_MAX, handler, context),
      );
      return leadService(service, shared);
    },
    call: (address, message, options) => call(shared, backend, address, message, options ?? {}),
  };
}

/** The replies to one call; an error says where it arose. */
async function* call(
  shared: Shared,
  backend: CallDriver,
  address: string,
  message: MessageInput,
  options: CallOptions,
): AsyncGenerator<Message> {
  try {
    shared.assertOpen('calls.call');
    checkQueueName(address);
    checkOptions(options, ['timeoutMs', 'signal'], 'call options');
    checkDuration(options.timeoutMs, 'timeoutMs', { min: 1, max: MAX_TIMER_MS, infinity: true });
    checkSignal(options.signal);
    assertNotAborted(options.signal);
    const stamped = stamp(message, undefined, shared.backend.capabilities.maxBodyBytes);
    const bounds = new CallBounds(options);
    shared.closables.add(bounds);
    const replies = backend.call(address, stamped, bounds)[Symbol.asyncIterator]();
    try {
      while (true) {
        const next = await bounds.until(replies.next());
        if (next.done === true) return bounds.done();
        yield next.value;
      }
    } finally {
      shared.closables.delete(bounds);
      bounds.end(LEFT);
      void Promise.resolve(replies.return?.()).catch(() => undefined);
    }
  } catch (error) {
    throw toBusbarError(error).at('calls.call', shared.backend.name);
  }
}

/** The bounds of one call on the fast path: it is over when its time is up, its signal fires, or the transport closes. */
class CallBounds implements CallContext {
  readonly deadline: number;
  /** A signal costs an event: most calls end without. */
  #controller: AbortController | undefined;
  #error: BusbarError | undefined;
  #isOver = false;
  /** Rejects what is waited for now. */
  #fail: ((error: BusbarError) => void) | undefined;
  readonly #free: () => void;

  constructor({ timeoutMs = DEFAULT_TIMEOUT_MS, signal }: CallOptions) {
    this.deadline = performance.now() + timeoutMs;
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
    const timer = timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(onTime, timeoutMs);
    this.#free = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#error !== undefined) this.#controller.abort(this.#error);
    return this.#controller.signal;
  }

  /** What `work` brings, one at a time; rejects as soon as the call is over. Cheaper than a race against a promise that never comes. */
  until<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      work.then(resolve, reject);
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
    this.#controller?.abort(error);
  }

  /** The transport closes. */
  async close(): Promise<void> {
    this.end(new BusbarError('CLOSED', 'the transport was closed', { outcome: 'unknown' }));
  }
}

function leadService(service: Service, shared: Shared): Service {
  const led: Service = {
    close: async () => {
      shared.closables.delete(led);
      await service.close();
    },
    [Symbol.asyncDispose]: () => led.close(),
  };
  shared.closables.add(led);
  return led;
}
