/** A gate that this process has changed and keeps in its state. */

import { type Admin, BusbarError, type Gate, type GateState, isBusbarError } from '@busbar/api/transport';

/** Without a renewal for this long the store opens by itself. */
const TTL_MS = 10_000;
const RENEW_MS = 2_500;
const LOOK_MS = 500;

/** Keeps a gate in its state until it is changed. Another mover, or a pause that was too long, takes it away. */
export class HeldGate implements AsyncDisposable {
  readonly #admin: Admin;
  #gate: Gate;
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> = Promise.resolve();
  #error: unknown;

  private constructor(admin: Admin, gate: Gate) {
    this.#admin = admin;
    this.#gate = gate;
    this.#keepRenewing();
  }

  /** Changes the gate of a store to `state`, and keeps it. Waits for a mover that was killed, and refuses beside one that lives. */
  static async take(admin: Admin, state: 'draining' | 'closed'): Promise<HeldGate> {
    const gate = await untilFree(admin);
    return new HeldGate(admin, await admin.setGate(state, { ifRevision: gate.revision, ttlMs: TTL_MS }));
  }

  /** The revision of the gate. Throws if the gate was lost. */
  get revision(): number {
    this.assertHeld();
    return this.#gate.revision;
  }

  /** Throws if the gate was lost. */
  assertHeld(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Changes the state. After `open` and `moved` nothing is left to be kept. */
  async change(state: GateState, movedTo?: string): Promise<void> {
    await this.#stopRenewing();
    const isTimed = state === 'draining' || state === 'closed';
    this.#gate = await this.#admin.setGate(state, {
      ifRevision: this.revision,
      ...(isTimed && { ttlMs: TTL_MS }),
      ...(movedTo !== undefined && { movedTo }),
    });
    if (isTimed) this.#keepRenewing();
  }

  /** Opens a store that is still held, so that its agents go on at once. One whose bus is elsewhere falls back by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopRenewing();
    const { state, revision, movedTo } = this.#gate;
    const isHeld = this.#error === undefined && (state === 'draining' || state === 'closed');
    if (!isHeld || movedTo !== undefined) return;
    await this.#admin.setGate('open', { ifRevision: revision, timeoutMs: TTL_MS }).catch((error: unknown) => {
      if (!isBusbarError(error)) throw error; // It opens when its time is over.
    });
  }

  #keepRenewing(): void {
    this.#timer = setInterval(() => {
      this.#renewing = this.#renew();
    }, RENEW_MS);
  }

  async #stopRenewing(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
  }

  async #renew(): Promise<void> {
    const { state, revision } = this.#gate;
    try {
      this.#gate = await this.#admin.setGate(state, { ifRevision: revision, ttlMs: TTL_MS, timeoutMs: TTL_MS });
    } catch (error) {
      if (isBusbarError(error) && error.code !== 'CONFLICT') return; // The next renewal may come through.
      this.#error ??= error;
      clearInterval(this.#timer);
    }
  }
}

/** The gate once no other mover keeps it. Throws CONFLICT while one renews it. */
async function untilFree(admin: Admin): Promise<Gate> {
  let left = Number.POSITIVE_INFINITY;
  for (;;) {
    const gate = await admin.gate();
    if (gate.state === 'open' || gate.state === 'moved') return gate;
    const ttlLeftMs = gate.ttlLeftMs ?? 0;
    if (ttlLeftMs > left) {
      throw new BusbarError('CONFLICT', 'another move is under way', { hint: 'Wait until it is over, or end it.' });
    }
    left = ttlLeftMs;
    await new Promise((resolve) => setTimeout(resolve, Math.min(LOOK_MS, ttlLeftMs + 1)));
  }
}
