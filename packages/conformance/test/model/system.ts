// One of the two compared systems: a transport, and the receipts and revisions it returned.
import { isBusbarError } from '@busbar/api';
import type { Delivery, Transport } from '@busbar/api/transport';

/** Opens another client of the store. */
export type OpenClient = () => Promise<Transport>;

export class System {
  readonly #open: OpenClient;
  transport: Transport;
  /** Deliveries in order, settled or not. */
  readonly deliveries: Delivery[] = [];
  /** Revisions of each key in order. */
  readonly revisions = new Map<string, number[]>();

  private constructor(open: OpenClient, transport: Transport) {
    this.#open = open;
    this.transport = transport;
  }

  static async open(open: OpenClient): Promise<System> {
    return new System(open, await open());
  }

  /** Switches to another client. Leases stay. */
  async changeClient(): Promise<void> {
    const next = await this.#open();
    await this.transport.close({ leases: 'keep' });
    this.transport = next;
  }

  /** Returns a delivery by its index from the newest. */
  delivery(back: number): Delivery | undefined {
    return this.deliveries.at(-1 - (back % Math.max(1, this.deliveries.length)));
  }

  revision(key: string, back: number): number {
    return this.revisions.get(key)?.at(-1 - back) ?? 0;
  }

  noteRevision(key: string, revision: number): number {
    const known = this.revisions.get(key) ?? [];
    this.revisions.set(key, [...known, revision]);
    return known.filter((other) => other < revision).length;
  }
}

/** Returns the result of `work`, or the code of its error. */
export async function outcome(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    if (isBusbarError(error) && error.code !== 'INTERNAL') return { error: error.code };
    throw error;
  }
}
