/// <reference lib="esnext.disposable" preserve="true" />
/** Entry `@busbar/transport-memory/testing`: a bus in memory for tests, with a clock that a test moves. */

import { type BackgroundFailure, type Bus, type BusOptions, openBus } from '@busbar/api';
import { openTransport } from '@busbar/api/driver';
import {
  type InjectFailure,
  injectFailures,
  openTestClock,
  type RecordedSend,
  recordSends,
  type TestClock,
} from '@busbar/api/testing';
import { MemoryDriver } from './memory-driver.ts';
import { type MemoryOptions, OPTIONS } from './options.ts';

export * from '@busbar/api/testing';

/** How to open a bus for a test. */
export interface TestBusOptions extends BusOptions {
  /** Options of the store. Two buses with one `name` share their store. Default: a store of its own. */
  readonly memory?: MemoryOptions | undefined;
}

/** A bus in memory for a test. */
export interface TestBus extends Bus {
  /** Stands still until the test moves it. It counts for the timers and times of the whole process. */
  readonly clock: TestClock;
  /** What the bus, its agents and its handlers sent, in order. */
  readonly sent: readonly RecordedSend[];
  /** Failures that no caller waited for, such as those of handlers. */
  readonly failures: readonly BackgroundFailure[];
  /** Makes operations or handlers fail. Returns a function that ends this. */
  readonly injectFailure: InjectFailure;
}

/**
 * Opens a bus in memory, and stops the time of this process until the bus is closed. `bus.clock.advance(ms)` moves it. Rejects
 * with INVALID_ARGUMENT for bad options.
 */
export async function testBus({ memory, ...options }: TestBusOptions = {}): Promise<TestBus> {
  const settings = OPTIONS.complete(memory);
  const clock = openTestClock();
  try {
    const failures: BackgroundFailure[] = [];
    const onError = (failure: BackgroundFailure): void => {
      failures.push(failure);
      options.onError?.(failure);
    };
    const bus = openBus(openTransport(new MemoryDriver(settings)), { ...options, onError });
    const close = bus.close.bind(bus);
    let closed: Promise<void> | undefined;
    const parts = {
      ...{ clock, failures, sent: recordSends(bus), injectFailure: injectFailures(bus) },
      close: (how?: Parameters<Bus['close']>[0]): Promise<void> => {
        closed ??= clock.during(() => close(how)).finally(() => clock.close());
        return closed;
      },
      [Symbol.asyncDispose]: (): Promise<void> => parts.close(),
    };
    return Object.assign(bus, parts);
  } catch (error) {
    clock.close();
    throw error;
  }
}
