/** Makes a transport of a driver: opens its facets over shared internals, and closes them. */

import type { Admin } from '../contract/admin.ts';
import type { Calls } from '../contract/calls.ts';
import type { Capabilities } from '../contract/capabilities.ts';
import type { Driver } from '../contract/driver.ts';
import { toBusbarError } from '../contract/errors.ts';
import type { KeyValue } from '../contract/kv.ts';
import type { Queues } from '../contract/queues.ts';
import type { Topics } from '../contract/topics.ts';
import type {
  StateChange,
  StorePast,
  StoreReset,
  Transport,
  TransportCloseOptions,
  TransportPart,
  TransportState,
  Warning,
  WorkFailure,
} from '../contract/transport.ts';
import { checkDuration, checkOneOf, checkOptions, MAX_TIMER_MS } from '../contract/validation.ts';
import { ChurnSet } from '../driver-kit/churn.ts';
import { DeadlineQueue } from '../driver-kit/deadline-queue.ts';
import { lendQueues } from '../driver-kit/inner-queues.ts';
import { KeepAlive, keepAliveDuring } from '../driver-kit/keep-alive.ts';
import { openExport, openOperations } from './admin.ts';
import { openCalls } from './calls.ts';
import { withErrorContext } from './error-context.ts';
import { DEFAULT_TIMEOUT_MS, InflightCalls } from './inflight-calls.ts';
import { openKv } from './kv.ts';
import { LeaseTracker } from './lease-tracker.ts';
import { Lifecycle } from './lifecycle.ts';
import { openQueues } from './queues.ts';
import { openTopics } from './topics.ts';
import type { Closable, TransportInternals } from './transport-internals.ts';
import { validateCapabilities } from './validate-capabilities.ts';

/** How a transport treats calls. */
export interface OpenTransportOptions {
  /** The time-out of a call to the store without `timeoutMs`, 100 or more, Infinity for no limit. Default 30,000. */
  readonly callTimeoutMs?: number | undefined;
}

/**
 * Makes a transport of `driver`. An opener calls it last. Throws a TypeError when the driver declares a feature that it
 * does not have.
 */
export function openTransport(driver: Driver, options: OpenTransportOptions = {}): Transport {
  validateCapabilities(driver);
  return new OpenTransport(driver, options);
}

class OpenTransport implements Transport {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly warnings?: readonly Warning[];
  readonly queues: Queues;
  readonly topics: Topics;
  readonly kv: KeyValue;
  readonly admin: Admin;
  readonly calls?: Calls;
  readonly #driver: Driver;
  readonly #lifecycle: Lifecycle;
  readonly #deadlines = new DeadlineQueue();
  readonly #keepAlive = new KeepAlive();
  readonly #inflight: InflightCalls;
  readonly #leases = new LeaseTracker();
  readonly #closables = new ChurnSet<Closable>();
  #closed: Promise<void> | undefined;

  constructor(driver: Driver, { callTimeoutMs = DEFAULT_TIMEOUT_MS }: OpenTransportOptions) {
    this.#driver = driver;
    this.name = driver.name;
    this.capabilities = deepFreeze(driver.capabilities);
    if (driver.warnings !== undefined) this.warnings = deepFreeze([...driver.warnings]);
    this.#lifecycle = new Lifecycle(driver.name);
    const shared = { lifecycle: this.#lifecycle, deadlines: this.#deadlines, keepAlive: this.#keepAlive };
    this.#inflight = new InflightCalls({ ...shared, callTimeoutMs });
    const internals: TransportInternals = {
      ...shared,
      driver,
      inflight: this.#inflight,
      leases: this.#leases,
      closables: this.#closables,
    };
    const { queues, inner } = openQueues(internals);
    this.queues = withErrorContext(queues, 'queues', this.name);
    lendQueues(this, driver.onState === undefined ? inner : { receive: inner.receive });
    this.topics = withErrorContext(openTopics(internals), 'topics', this.name);
    this.kv = withErrorContext(openKv(internals), 'kv', this.name);
    this.admin = { ...withErrorContext(openOperations(internals), 'admin', this.name), ...openExport(internals) };
    if (driver.calls !== undefined) this.calls = openCalls(internals, driver.calls);
    driver.onState?.((change) => {
      if (this.#lifecycle.isOpen) this.#lifecycle.change(change);
    });
    driver.onFailure?.((failure) => this.#lifecycle.failure(failure));
    driver.onReset?.((reset) => {
      driver.queues.waiting?.wakeAll();
      this.#lifecycle.reset(reset);
    });
  }

  get state(): TransportState {
    return this.#lifecycle.state;
  }

  get parts(): readonly TransportPart[] | undefined {
    return this.#driver.parts;
  }

  onState(listener: (change: StateChange) => void): () => void {
    return this.#lifecycle.onState(listener);
  }

  get past(): StorePast | undefined {
    return this.#driver.past;
  }

  onReset(listener: (reset: StoreReset) => void): () => void {
    return this.#lifecycle.onReset(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): () => void {
    return this.#lifecycle.onFailure(listener);
  }

  close(options?: TransportCloseOptions): Promise<void> {
    try {
      checkClose(options);
    } catch (error) {
      return Promise.reject(toBusbarError(error).at('close', this.name));
    }
    this.#closed ??= keepAliveDuring(this.#close(options ?? {}));
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close({ drainMs = 0, leases = 'release' }: TransportCloseOptions): Promise<void> {
    const finishBy = performance.now() + Math.max(drainMs, FINISH_MS);
    this.#lifecycle.change({ state: 'closing' });
    const endings = Promise.allSettled([...this.#closables].map((closable) => closable.close()));
    this.#inflight.abandonWaits(this.#lifecycle.closedError());
    if (leases === 'release') await this.#drain(drainMs);
    // What waits for a server that is away ends with the driver.
    await within(endings, finishBy - performance.now());
    await this.#inflight.whenIdle(Math.max(finishBy - performance.now(), LAST_MS));
    this.#lifecycle.change({ state: 'closed' });
    await this.#driver.close();
    this.#deadlines.clear();
    this.#keepAlive.close();
    this.#lifecycle.clear();
  }

  /** Waits until held leases are settled, then releases the rest. A server that is away is not waited for. */
  async #drain(drainMs: number): Promise<void> {
    await this.#leases.whenNone(drainMs);
    const receipts = this.#leases.receipts();
    if (receipts.length === 0) return;
    const release = receipts.map((receipt) => ({ receipt, action: 'release' as const }));
    await this.queues.settle(release, { timeoutMs: RELEASE_MS }).catch(() => undefined);
  }
}

function checkClose(options: TransportCloseOptions | undefined): void {
  checkOptions(options, ['drainMs', 'leases'], 'close options');
  checkDuration(options?.drainMs, 'drainMs', { min: 0, max: MAX_TIMER_MS });
  checkOneOf(options?.leases, 'leases', ['release', 'keep']);
}

/** How long closing waits for calls in progress, from its begin; longer with a longer drain. */
const FINISH_MS = 5_000;
/** How long it waits for them at least when all else took that time. */
const LAST_MS = 1_000;
/** How long closing tries to release leases; otherwise they end by themselves. */
const RELEASE_MS = 2_000;

/** Waits for `work`, at most `ms`. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const isLate = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms));
  });
  await Promise.race([work, isLate]);
  clearTimeout(timer);
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part);
  return Object.freeze(value);
}
