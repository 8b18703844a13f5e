/** The state of a transport, from open to closed, and its listeners. */

import { BusbarError, toBusbarError } from '../contract/errors.ts';
import { warnProcess } from '../contract/process-warning.ts';
import { sayThrown } from '../contract/thrown.ts';
import type { StateChange, StoreReset, TransportState, WorkFailure } from '../contract/transport.ts';
import { Listeners } from '../driver-kit/listeners.ts';

/** The state of one transport. */
export class Lifecycle {
  readonly #transport: string;
  readonly #listeners = new Listeners<StateChange>((error) => this.#reportListener(error));
  readonly #resetListeners = new Listeners<StoreReset>((error) => this.#reportListener(error));
  readonly #failureListeners = new Listeners<WorkFailure>((error) => this.#warn(error));
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
    return this.#listeners.add(listener);
  }

  onReset(listener: (reset: StoreReset) => void): () => void {
    return this.#resetListeners.add(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): () => void {
    return this.#failureListeners.add(listener);
  }

  /** Changes the state. */
  change(change: StateChange): void {
    if (change.state === this.#state) return;
    this.#state = change.state;
    this.#away = change.state === 'reconnecting' ? change.error : undefined;
    this.#listeners.call(change);
  }

  /** Reports a reset of the store. */
  reset(reset: StoreReset): void {
    if (this.isOpen) this.#resetListeners.call(reset);
  }

  /** Reports work without a caller that failed. What the close ends has not failed. */
  failure({ work, error }: WorkFailure): void {
    if (!this.isOpen || error.code === 'CLOSED') return;
    this.#failureListeners.call({ work, error: error.at(work, this.#transport) });
  }

  /** Forgets all listeners. */
  clear(): void {
    this.#listeners.clear();
    this.#resetListeners.clear();
    this.#failureListeners.clear();
  }

  /** A listener has failed. Without a place for failures it is a warning. */
  #reportListener(error: unknown): void {
    if (!this.isOpen || this.#failureListeners.size === 0) this.#warn(error);
    else this.#failureListeners.call({ work: 'listener', error: toBusbarError(error).at('listener', this.#transport) });
  }

  #warn(error: unknown): void {
    warnProcess(`a listener of the transport ${this.#transport} failed: ${sayThrown(error)}`);
  }
}
