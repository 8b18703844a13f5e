/** Makes a transport of a backend: leads its life, and lends its facets what they share. */

import type { Capabilities } from '../contract/capabilities.ts';
import type { Driver } from '../contract/driver.ts';
import { BusbarError, toBusbarError } from '../contract/errors.ts';
import type {
  Admin,
  Calls,
  CloseOptions,
  KeyValue,
  Queues,
  StateChange,
  Topics,
  Transport,
  TransportState,
  Warning,
} from '../contract/transport.ts';
import { checkDuration, checkOneOf, checkOptions, MAX_TIMER_MS } from '../contract/validation.ts';
import { DeadlineQueue } from '../driver-kit/deadline-queue.ts';
import { openExport, openOperations } from './admin.ts';
import { openCalls } from './calls.ts';
import { locate } from './error-context.ts';
import { CallsUnderWay } from './inflight-calls.ts';
import { openEntries } from './kv.ts';
import { HeldLeases } from './lease-tracker.ts';
import { openQueues } from './queues.ts';
import { openTopics } from './topics.ts';
import type { Closable, Shared } from './transport-internals.ts';
import { checkDeclared } from './validate-capabilities.ts';

/**
 * The transport over `backend`. Authors of backends call it last in their opener. A backend that declares what it does not
 * have is a TypeError.
 */
export function openTransport(backend: Driver): Transport {
  checkDeclared(backend);
  return new OpenTransport(backend);
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
  readonly #backend: Driver;
  readonly #deadlines = new DeadlineQueue();
  readonly #underWay: CallsUnderWay;
  readonly #leases = new HeldLeases();
  readonly #closables = new Set<Closable>();
  readonly #listeners = new Set<(change: StateChange) => void>();
  #state: TransportState = 'open';
  #closed: Promise<void> | undefined;

  constructor(backend: Driver) {
    this.#backend = backend;
    this.name = backend.name;
    this.capabilities = deepFreeze(backend.capabilities);
    if (backend.warnings !== undefined) this.warnings = deepFreeze([...backend.warnings]);
    this.#underWay = new CallsUnderWay(backend.name, this.#deadlines, () => this.#state === 'reconnecting');
    const shared: Shared = {
      backend,
      deadlines: this.#deadlines,
      underWay: this.#underWay,
      leases: this.#leases,
      closables: this.#closables,
      isOpen: () => this.#closed === undefined,
      assertOpen: (operation, whileClosing) => this.#assertOpen(operation, whileClosing ?? false),
    };
    this.queues = locate(openQueues(shared), 'queues', this.name);
    this.topics = locate(openTopics(shared), 'topics', this.name);
    this.kv = locate(openEntries(shared), 'kv', this.name);
    this.admin = { ...locate(openOperations(shared), 'admin', this.name), ...openExport(shared) };
    if (backend.calls !== undefined) this.calls = openCalls(shared, backend.calls);
    backend.onState?.((change) => {
      if (this.#closed === undefined) this.#change(change);
    });
  }

  get state(): TransportState {
    return this.#state;
  }

  onState(listener: (change: StateChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(options?: CloseOptions): Promise<void> {
    try {
      checkClose(options);
    } catch (error) {
      return Promise.reject(toBusbarError(error).at('close', this.name));
    }
    this.#closed ??= this.#close(options ?? {});
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close({ drainMs = 0, leases = 'release' }: CloseOptions): Promise<void> {
    this.#change({ state: 'closing' });
    const endings = Promise.all([...this.#closables].map((closable) => closable.close()));
    this.#underWay.abandonWaits(closedError(this.name));
    if (leases === 'release') await this.#drain(drainMs);
    await endings;
    await this.#underWay.whenIdle(Math.max(drainMs, FINISH_MS));
    this.#change({ state: 'closed' });
    await this.#backend.close();
    this.#deadlines.clear();
    this.#listeners.clear();
  }

  /** Waits for held leases to be settled, then gives back the rest. A server that is away is not waited for. */
  async #drain(drainMs: number): Promise<void> {
    await this.#leases.whenNone(drainMs);
    const receipts = this.#leases.receipts();
    if (receipts.length === 0) return;
    const release = receipts.map((receipt) => ({ receipt, action: 'release' as const }));
    await this.queues.settle(release, { timeoutMs: RELEASE_MS }).catch(() => undefined);
  }

  #assertOpen(operation: string, whileClosing: boolean): void {
    if (this.#state === 'closed' || (this.#state === 'closing' && !whileClosing)) {
      throw closedError(this.name).at(operation, this.name);
    }
  }

  #change(change: StateChange): void {
    if (change.state === this.#state) return;
    this.#state = change.state;
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

function checkClose(options: CloseOptions | undefined): void {
  checkOptions(options, ['drainMs', 'leases'], 'close options');
  checkDuration(options?.drainMs, 'drainMs', { min: 0, max: MAX_TIMER_MS });
  checkOneOf(options?.leases, 'leases', ['release', 'keep']);
}

/** How long closing waits at least for calls that are under way. */
const FINISH_MS = 5_000;
/** How long closing tries to give leases back; they end by themselves otherwise. */
const RELEASE_MS = 2_000;

function closedError(name: string): BusbarError {
  return new BusbarError('CLOSED', 'the transport is closed', { transport: name, hint: 'Open a new one.' });
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part);
  return Object.freeze(value);
}
