/** The lock of a bridge: one process forwards from one store to another. It is in the store that receives. */

import { hostname } from 'node:os';
import type { Bus, Lock } from '@busbar/api';
import { openBus } from '@busbar/api';
import { BusbarError, isBusbarError } from '@busbar/api/transport';
import { pause } from '../pause.ts';
import type { StoreEnds } from '../store-end.ts';

/** A bridge that was killed holds its lock for this long. */
const LEASE_MS = 6_000;
const LOOK_MS = 500;

/** A held lock. */
export class BridgeLock implements AsyncDisposable {
  readonly #bus: Bus;
  readonly #lock: Lock;

  private constructor(bus: Bus, lock: Lock) {
    this.#bus = bus;
    this.#lock = lock;
  }

  /** Takes the lock of the bridge from the store `fromId`. Waits for a bridge that was killed, and refuses beside one that lives. */
  static async take(ends: StoreEnds, fromId: string, stop: AbortSignal): Promise<BridgeLock> {
    // A renewal that fails is repeated, and a lost lock fires `lost`.
    const bus = openBus(ends.to.transport, {
      ownsTransport: false,
      identity: { host: hostname() },
      onError: () => undefined,
    });
    try {
      return new BridgeLock(bus, await take(bus, `bridge/${fromId}`, ends, stop));
    } catch (error) {
      await bus.close();
      throw error;
    }
  }

  /** Fires when another process may have the lock. */
  get lost(): AbortSignal {
    return this.#lock.signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // While the store is away the lease ends by itself.
    await this.#lock.release().catch((error: unknown) => {
      if (!isBusbarError(error)) throw error;
    });
    await this.#bus.close();
  }
}

async function take(bus: Bus, name: string, { from, to }: StoreEnds, stop: AbortSignal): Promise<Lock> {
  let left = Number.POSITIVE_INFINITY;
  for (;;) {
    stop.throwIfAborted();
    try {
      return await bus.lock(name, { leaseMs: LEASE_MS, waitMs: 0, owner: `bridge from ${from.name}` });
    } catch (error) {
      if (!isBusbarError(error) || error.code !== 'CONFLICT' || error.transport !== undefined) throw error;
    }
    const holder = await bus.lockHolder(name);
    if (holder === undefined) continue;
    const { leaseLeftMs = LEASE_MS, pid, host } = holder;
    if (leaseLeftMs > left) {
      const where = host === undefined ? '' : ` on ${host}`;
      throw new BusbarError(
        'CONFLICT',
        `a bridge from ${from.name} to ${to.name} runs already: process ${pid}${where}`,
        {
          hint: 'End that one first. One bridge can forward any number of queues and topics.',
        },
      );
    }
    left = leaseLeftMs;
    await pause(Math.min(LOOK_MS, leaseLeftMs + 1), stop);
  }
}
