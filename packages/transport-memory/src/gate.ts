/** The gate of one namespace. */

import {
  changeGate,
  checkGate,
  Deadline,
  DeadlineQueue,
  type GateChange,
  gateAt,
  isClosed,
  OPEN_GATE,
  type StoredGate,
  toGate,
} from '@busbar/api/driver';
import type { Gate } from '@busbar/api/transport';

/** What a gate does to its namespace. */
export interface GateEffects {
  /** Ends all leases and stops the clock. */
  close(): void;
  /** Starts the clock. */
  open(): void;
  /** Wakes the receives that wait. */
  wake(): void;
}

/** The gate of one namespace. */
export class NamespaceGate {
  readonly #effects: GateEffects;
  readonly #timers = new DeadlineQueue();
  readonly #fallback = new Deadline(() => this.#put(gateAt(this.#stored, this.#timers.now)));
  #stored: StoredGate = OPEN_GATE;

  constructor(effects: GateEffects) {
    this.#effects = effects;
  }

  /** Whether consumers get messages. */
  get isClaimable(): boolean {
    return this.#present.state === 'open';
  }

  read(): Gate {
    return toGate(this.#present, this.#timers.now);
  }

  /** Throws CONFLICT if the gate refuses a call that changes the namespace. */
  check(gateRevision?: number): void {
    checkGate(this.#present, gateRevision);
  }

  set(change: GateChange): Gate {
    this.#put(changeGate(this.#present, change, this.#timers.now));
    return this.read();
  }

  /** Frees the timer. */
  clear(): void {
    this.#timers.clear();
  }

  get #present(): StoredGate {
    this.#timers.runDue();
    return this.#stored;
  }

  #put(gate: StoredGate): void {
    const before = this.#stored;
    this.#stored = gate;
    this.#timers.set(this.#fallback, gate.until);
    if (gate.revision === before.revision) return;
    if (isClosed(gate) && !isClosed(before)) this.#effects.close();
    if (!isClosed(gate) && isClosed(before)) this.#effects.open();
    this.#effects.wake();
  }
}
