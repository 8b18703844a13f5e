/**
 * The contract of a transport. Its comments are the specification; the conformance suite tests every backend against it.
 *
 * Rules for every method:
 * - Arguments are checked before any effect. Bad ones reject with INVALID_ARGUMENT (PAYLOAD_TOO_LARGE for a body).
 * - When the promise resolves, the results are as durable as {@link Capabilities.durability} declares.
 * - Calls may overlap. Calls of one turn of the event loop may share a transaction or a round trip. A bad call never fails
 *   another one. Calls on one queue or topic take effect in the order of the calls.
 * - While the server is unreachable, a call waits up to its `timeoutMs` and then rejects with UNAVAILABLE.
 * - After {@link Transport.close} began, calls reject with CLOSED. Received messages can be settled until it ends.
 * - The process stays alive while a call, a wait, a subscription, a watch or a service is pending. An idle transport does not
 *   keep it alive (rule RA9).
 * - Bytes from the caller are copied before the call returns. Bytes in results belong to the caller.
 */

import type { Admin } from './admin.ts';
import type { Calls } from './calls.ts';
import type { Capabilities } from './capabilities.ts';
import type { BusbarError } from './errors.ts';
import type { KeyValue } from './kv.ts';
import type { Queues } from './queues.ts';
import type { Topics } from './topics.ts';

/** An opened transport. The bus is built on it. */
export interface Transport extends AsyncDisposable {
  /** The kind of backend, such as `sqlite`. */
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Configuration warnings for operators, such as settings under which messages can be lost. `busbar doctor` shows them. */
  readonly warnings?: readonly Warning[];
  /** Of a transport that is made of others: its parts as they are now. `busbar doctor` shows them. */
  readonly parts?: readonly TransportPart[] | undefined;
  readonly state: TransportState;
  /**
   * Calls `listener` at each change of state, in order. Returns a function that ends this. What a listener throws or rejects
   * with goes to `onFailure`; without a listener there it is a warning of the process.
   */
  onState(listener: (change: StateChange) => void): () => void;
  /**
   * Calls `listener` after the store came back without writes that it had acknowledged. Receives, subscriptions and watches
   * go on over the present store; watchers see the difference. Returns a function that ends this.
   */
  onReset(listener: (reset: StoreReset) => void): () => void;
  /**
   * Calls `listener` when work fails that no caller waits for, such as maintenance. The transport tries it again. Returns a
   * function that ends this.
   */
  onFailure(listener: (failure: WorkFailure) => void): () => void;
  /** The past of the store when it was last read, for a hub and for a move between stores; undefined if the driver tells none. */
  readonly past: StorePast | undefined;
  readonly queues: Queues;
  readonly topics: Topics;
  readonly kv: KeyValue;
  readonly admin: Admin;
  /** The fast path of requests, where {@link Features.calls} is declared. */
  readonly calls?: Calls;
  /**
   * Closes the transport (rule RA3). New calls and waits reject with CLOSED at once. Running calls finish. Held leases can be
   * settled for `drainMs` and are then released. A second call returns the promise of the first.
   */
  close(options?: TransportCloseOptions): Promise<void>;
}

/** A configuration warning: one sentence, and what to do about it. */
export interface Warning {
  readonly text: string;
  readonly hint: string;
}

/**
 * `reconnecting`: the server is unreachable, and the transport tries to connect again. `degraded`: one of its parts is
 * unreachable, and another part takes its traffic.
 */
export type TransportState = 'open' | 'degraded' | 'reconnecting' | 'closing' | 'closed';

/** One of the transports of which a transport is made. */
export interface TransportPart {
  /** What it is for, such as `fast`. */
  readonly role: string;
  /** Its URL without secrets. */
  readonly name: string;
  readonly state: TransportState;
  /** What it carries, in words. */
  readonly carries: string;
  /** How many messages and events went to it through this transport. */
  readonly sent: number;
}

/** A change of state, with the error that caused it. */
export interface StateChange {
  readonly state: TransportState;
  readonly error?: BusbarError;
}

/** A store whose past is not the one that this transport knew. */
export interface StoreReset {
  /**
   * `replaced`: it is a new store, or it was cleared. `rolled-back`: it lost its latest writes. `damaged`: it lost a part of its
   * data, such as keys that a server with full memory evicted.
   */
  readonly cause: 'replaced' | 'rolled-back' | 'damaged';
  /** What is known of the loss, such as a number of messages. */
  readonly detail?: string | undefined;
}

/** Work without a caller that failed. */
export interface WorkFailure {
  /** The work, in a word or two, such as `maintenance`. */
  readonly work: string;
  readonly error: BusbarError;
}

/** What identifies the past of a store. Two stores with one incarnation have the same past up to the lower counter. */
export interface StorePast {
  /** Changes when the store is created again or cleared; undefined if the store has no header, because it is new or was emptied. */
  readonly incarnation: string | undefined;
  /** A counter that only rises within one incarnation, such as the last revision or sequence number. */
  readonly counter: number;
  /** Identifies this copy of a store of which there can be several, such as a backup that was put in its place. */
  readonly copy?: string | undefined;
}

/** How to close a transport. */
export interface TransportCloseOptions {
  /** How long held leases can still be settled, 0 to 2^31-1. Default 0. */
  readonly drainMs?: number | undefined;
  /** `release` (default) returns leased messages to their queues. `keep` leaves them leased, for another process to settle. */
  readonly leases?: 'release' | 'keep' | undefined;
}
