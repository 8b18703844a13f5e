/** A clock that stands still until a test moves it. It replaces the timers and the times of this process. */

import { checkDuration, MAX_DURATION_MS, MAX_TIMER_MS } from '../contract/validation.ts';
import { Heap } from '../driver-kit/heap.ts';
import { realSleep, realTime, turns } from './real-time.ts';
import { type TimerHost, VirtualTimer } from './virtual-timer.ts';

/**
 * A clock that stands still. While it is open, `Date`, `performance.now`, `setTimeout` and `setInterval` of this process follow
 * it. Those of `node:timers/promises` and `AbortSignal.timeout` do not.
 */
export interface TestClock {
  /** The time now, in milliseconds since 1970: `Date.now()`. */
  readonly now: number;
  /**
   * Moves the time on, 0 to ten years. Each timer that is due runs at its time, and what it begins runs before the next timer.
   * Heartbeats and renewals run, too: a day with agents online takes some seconds. Rejects with what a timer throws.
   */
  advance(ms: number): Promise<void>;
}

/** A test clock, until it is closed. */
export interface OpenTestClock extends TestClock, AsyncDisposable {
  /** Runs `work`, such as the close of a bus, while the clock moves by itself, twenty times as fast as real time. */
  during<T>(work: () => Promise<T>): Promise<T>;
  /** Puts the real functions back. Timers that are pending never run. */
  close(): void;
}

const PACE_MS = 5;
const SPEED = 20;

class VirtualClock implements TestClock, TimerHost {
  readonly #timers = new Heap<VirtualTimer>(
    (one, other) => one.at - other.at < 0 || (one.at === other.at && one.id < other.id),
  );
  readonly #byId = new Map<number, VirtualTimer>();
  readonly #startedAt = Date.now();
  /** An integer: sums of fractions would put a timer just behind its time. */
  readonly #origin = Math.ceil(realTime.now());
  #elapsedMs = 0;
  #holds = 0;
  #keepAlive: ReturnType<typeof setInterval> | undefined;
  #last: Promise<void> = Promise.resolve();

  get now(): number {
    return this.#startedAt + Math.floor(this.#elapsedMs);
  }

  /** `performance.now()`. */
  get moment(): number {
    return this.#origin + this.#elapsedMs;
  }

  advance(ms: number): Promise<void> {
    checkDuration(ms, 'ms', { min: 0, max: MAX_DURATION_MS });
    const moved = this.#last.then(() => this.#advance(ms));
    this.#last = moved.catch(() => undefined);
    return moved;
  }

  arm(timer: VirtualTimer): void {
    timer.at = this.moment + timer.delayMs;
    this.#timers.add(timer);
    this.#byId.set(timer.id, timer);
    if (timer.holds) this.count(1);
  }

  disarm(timer: VirtualTimer): void {
    if (timer.holds) this.count(-1);
    this.#timers.remove(timer);
    this.#byId.delete(timer.id);
  }

  count(change: 1 | -1): void {
    this.#holds += change;
    if (this.#holds > 0) this.#keepAlive ??= realTime.setInterval(() => undefined, MAX_TIMER_MS);
    else this.#release();
  }

  find(id: unknown): VirtualTimer | undefined {
    return id instanceof VirtualTimer ? id : this.#byId.get(Number(id));
  }

  /** Moves by itself until `isOver`. */
  async follow(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const before = realTime.now();
      await realSleep(PACE_MS);
      await this.advance(Math.ceil((realTime.now() - before) * SPEED));
    }
  }

  clear(): void {
    this.#timers.clear();
    this.#byId.clear();
    this.#holds = 0;
    this.#release();
  }

  async #advance(ms: number): Promise<void> {
    const until = this.#elapsedMs + ms;
    await turns();
    for (let timer = this.#next(until); timer !== undefined; timer = this.#next(until)) {
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.at - this.#origin);
      this.disarm(timer);
      if (timer.repeats) this.arm(timer);
      timer.run();
      if ((this.#timers.first?.at ?? Number.POSITIVE_INFINITY) > this.moment) await turns();
    }
    this.#elapsedMs = until;
  }

  #next(until: number): VirtualTimer | undefined {
    const { first } = this.#timers;
    return first !== undefined && first.at - this.#origin <= until ? first : undefined;
  }

  #release(): void {
    realTime.clearInterval(this.#keepAlive);
    this.#keepAlive = undefined;
  }
}

/** The clock that is open, with the number of its users. */
let open: { readonly clock: VirtualClock; readonly restore: () => void; users: number } | undefined;

/** Stops the time of this process. A second call gets the same clock; the last `close` puts the real functions back. */
export function openTestClock(): OpenTestClock {
  if (open === undefined) {
    const clock = new VirtualClock();
    open = { clock, restore: replace(clock), users: 0 };
  }
  const { clock } = open;
  open.users += 1;
  let isClosed = false;
  const close = (): void => {
    if (isClosed || open === undefined) return;
    isClosed = true;
    open.users -= 1;
    if (open.users > 0) return;
    open.restore();
    open = undefined;
    clock.clear();
  };
  return {
    get now() {
      return clock.now;
    },
    advance: (ms) => clock.advance(ms),
    during: (work) => during(clock, work),
    close,
    [Symbol.asyncDispose]: async () => close(),
  };
}

async function during<T>(clock: VirtualClock, work: () => Promise<T>): Promise<T> {
  let isOver = false;
  const done = work().finally(() => {
    isOver = true;
  });
  const [outcome] = await Promise.allSettled([done, clock.follow(() => isOver)]);
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

/** Replaces the functions of this process, and returns what puts them back. */
function replace(clock: VirtualClock): () => void {
  const start =
    (repeats: boolean) =>
    (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
      const delay = Math.trunc(Number(ms));
      const delayMs = delay >= 1 && delay <= MAX_TIMER_MS ? delay : 1;
      const timer = new VirtualTimer(clock, { delayMs, repeats, run: () => callback(...args) });
      clock.arm(timer);
      return timer;
    };
  const setTimeout = start(false);
  const sleep = (ms: number, value: unknown): Promise<unknown> =>
    new Promise((resolve) => void setTimeout(() => resolve(value), ms));
  const { clearTimeout, clearInterval } = globalThis;
  const clear = (real: (id: never) => void) => (id: unknown) => {
    const timer = clock.find(id);
    if (timer === undefined) real(id as never);
    else clock.disarm(timer);
  };
  const restores = [
    put(globalThis, 'setTimeout', Object.assign(setTimeout, { [Symbol.for('nodejs.util.promisify.custom')]: sleep })),
    put(globalThis, 'setInterval', start(true)),
    put(globalThis, 'clearTimeout', clear(clearTimeout)),
    put(globalThis, 'clearInterval', clear(clearInterval)),
    put(globalThis, 'Date', dateOf(globalThis.Date, clock)),
    put(performance, 'now', () => clock.moment),
  ];
  return () => {
    for (const restore of restores) restore();
  };
}

function dateOf(RealDate: DateConstructor, clock: VirtualClock): DateConstructor {
  const now = (): number => clock.now;
  return new Proxy(RealDate, {
    apply: () => new RealDate(now()).toString(),
    construct: (target, parts, self) => Reflect.construct(target, parts.length === 0 ? [now()] : parts, self) as object,
    get: (target, key) => (key === 'now' ? now : (Reflect.get(target, key) as unknown)),
  });
}

function put(target: object, key: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(target, key);
  Object.defineProperty(target, key, { value, configurable: true, writable: true, enumerable: true });
  return () => {
    if (before === undefined) Reflect.deleteProperty(target, key);
    else Object.defineProperty(target, key, before);
  };
}
