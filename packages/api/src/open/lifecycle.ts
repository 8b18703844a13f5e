/** The state of a transport, from open to closed, and its listeners. */

import { BusbarError } from '../contract/errors.ts';
import type { StateChange, StoreReset, TransportState, WorkFailure } from '../contract/transport.ts';

/** The state of one transport. */
export class Lifecycle {
  readonly #transport: string;
  readonly #listeners = new Set<(change: StateChange) => void>();
  readonly #resetListeners = new Set<(reset: StoreReset) => void>();
  readonly #failureListeners = new Set<(failure: WorkFailure) => void>();
  #state: TransportState = 'open';
  #away: BusbarError | undefined;

  constructor(transport: string) {
    this.#transport = transport;
  }

  get state(): TransportState {
    return this.#state;
  }

  /** Why the server is away; undefined while it is not, or where the driver does not say. */
  get awayReason(): BusbarError | undefined {
    return this.#away;
  }

  /** False once closing has begun. */
  get isOpen(): boolean {
    return this.#state !== 'closing' && this.#state !== 'closed';
  }

  /** Throws CLOSED unless the transport is open; with `whileClosing` also while it closes. */
  assertOpen(whileClosing = false): void {
    if (!this.isOpen && !(whileClosing && this.#state === 'closing')) throw this.closedError();
  }

  closedError(): BusbarError {
    return new BusbarError('CLOSED', 'the transport is closed', {
      transport: this.#transport,
      hint: 'Open a new one.',
    });
  }

  onState(listener: (change: StateChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onReset(listener: (reset: StoreReset) => void): () => void {
    this.#resetListeners.add(listener);
    return () => this.#resetListeners.delete(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): () => void {
    this.#failureListeners.add(listener);
    return () => this.#failureListeners.delete(listener);
  }

  /** Changes the state. */
  change(change: StateChange): void {
    if (change.state === this.#state) return;
    this.#state = change.state;
    this.#away = change.state === 'reconnecting' ? change.error : undefined;
    callAll(this.#listeners, change);
  }

  /** Reports a reset of the store. */
  reset(reset: StoreReset): void {
    if (this.isOpen) callAll(this.#resetListeners, reset);
  }

  /** Reports work without a caller that failed. What the close ends has not failed. */
  failure({ work, error }: WorkFailure): void {
    if (!this.isOpen || error.code === 'CLOSED') return;
    callAll(this.#failureListeners, { work, error: error.at(work, this.#transport) });
  }

  /** Forgets all listeners. */
  clear(): void {
    this.#listeners.clear();
    this.#resetListeners.clear();
    this.#failureListeners.clear();
  }
}

/** A listener that throws changes nothing for the others; its error is thrown in a task of its own. */
function callAll<T>(listeners: ReadonlySet<(value: T) => void>, value: T): void {
  for (const listener of listeners) {
    try {
      listener(value);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
