/** The stores that a hub lends, one for each namespace, opened when first asked for. */

import { BusbarError, invalid, quote, type Transport } from '@busbar/api/transport';
import { CallRouter } from './calls/call-router.ts';
import { QueueSizes } from './operations/queue-sizes.ts';

/** Opens the store of a namespace; the empty one is the unnamed. */
export type OpenStore = (ns: string) => Promise<Transport>;

/** A namespace while a client uses it. */
export interface LentStore {
  readonly transport: Transport;
  readonly router: CallRouter;
  readonly sizes: QueueSizes;
  /** The client has gone. */
  giveBack(): void;
}

interface Opened {
  readonly transport: Promise<Transport>;
  readonly router: CallRouter;
  readonly sizes: QueueSizes;
  users: number;
  timer?: NodeJS.Timeout;
}

const NAMESPACE = /^[A-Za-z0-9_\-@/:+~.]{0,64}$/;
/** A client that has lost its connection finds its store open. */
const KEEP_MS = 5_000;
const MAX_OPEN = 1_000;

/** The stores that a hub lends. */
export class Stores {
  readonly #open: OpenStore;
  readonly #opened = new Map<string, Opened>();

  constructor(open: OpenStore) {
    this.#open = open;
  }

  /** The store of `ns`, open until it is given back. */
  async lend(ns: string): Promise<LentStore> {
    if (!NAMESPACE.test(ns)) {
      throw invalid(`ns is illegal: ${quote(ns)}`, 'Use up to 64 characters A-Z a-z 0-9 _ - @ / : + ~ and dots.');
    }
    if (this.#opened.size >= MAX_OPEN && !this.#opened.has(ns)) {
      throw new BusbarError('BACKPRESSURE', `${MAX_OPEN} namespaces are in use`, {
        hint: 'Use fewer, or another hub.',
      });
    }
    const opened = this.#opened.get(ns) ?? this.#begin(ns);
    clearTimeout(opened.timer);
    opened.users += 1;
    try {
      const { router, sizes } = opened;
      return { transport: await opened.transport, router, sizes, giveBack: () => this.#giveBack(ns, opened) };
    } catch (error) {
      if (this.#opened.get(ns) === opened) this.#opened.delete(ns);
      throw error;
    }
  }

  /** Closes all of them; leases stay with those who hold them. */
  async close(): Promise<void> {
    const all = [...this.#opened.values()];
    this.#opened.clear();
    await Promise.all(all.map(close));
  }

  #begin(ns: string): Opened {
    const opened: Opened = { transport: this.#open(ns), router: new CallRouter(), sizes: new QueueSizes(), users: 0 };
    opened.transport.catch(() => undefined);
    this.#opened.set(ns, opened);
    return opened;
  }

  /** The unnamed one stays: a store in memory lives no longer than its last client. */
  #giveBack(ns: string, opened: Opened): void {
    opened.users -= 1;
    if (opened.users > 0 || ns === '') return;
    opened.timer = setTimeout(() => {
      this.#opened.delete(ns);
      void close(opened);
    }, KEEP_MS);
    opened.timer.unref();
  }
}

async function close({ transport, timer }: Opened): Promise<void> {
  clearTimeout(timer);
  try {
    await (await transport).close({ leases: 'keep' });
  } catch {
    // One that could not be opened need not be closed.
  }
}
