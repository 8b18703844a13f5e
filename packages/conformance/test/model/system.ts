// One of the two systems that are compared: a transport, and what its own answers gave it to go on with.
import { isBusbarError } from '@busbar/api';
import type { Delivery, Transport } from '@busbar/api/transport';

/** Opens a further client of one store. */
export type OpenClient = () => Promise<Transport>;

export class System {
  readonly #open: OpenClient;
  transport: Transport;
  /** Deliveries in the order in which they came, settled or not. */
  readonly deliveries: Delivery[] = [];
  /** Revisions of each key in the order in which they were given. */
  readonly revisions = new Map<string, number[]>();

  private constructor(open: OpenClient, transport: Transport) {
    this.#open = open;
    this.transport = transport;
  }

  static async open(open: OpenClient): Promise<System> {
    return new System(open, await open());
  }

  /** Another client takes over; what is leased stays leased. */
  async changeClient(): Promise<void> {
    const next = await this.#open();
    await this.transport.close({ leases: 'keep' });
    this.transport = next;
  }

  /** A delivery by its place in the history, counted from the newest. */
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

/** What the work gave, or the code of its error: what two systems must agree on. */
export async function outcome(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    if (isBusbarError(error) && error.code !== 'INTERNAL') return { error: error.code };
    throw error;
  }
}
