/** The stores of a hub, one for each namespace. They open on first use. */

import { option } from '@busbar/api/driver';
import { BusbarError, type Transport } from '@busbar/api/transport';
import { CallRouter } from './calls/call-router.ts';
import { QueueSizes } from './operations/queue-sizes.ts';
import { ReplyQueues } from './rights/reply-queues.ts';

/** Opens the store of a namespace; the empty string is the unnamed namespace. */
export type OpenStore = (ns: string) => Promise<Transport>;

/** A store while a client uses it, with the state that the clients of its namespace share. */
export interface StoreRef extends Pick<PooledStore, 'router' | 'sizes' | 'replyQueues'> {
  readonly transport: Transport;
  /** Ends the client's use. */
  release(): void;
}

interface PooledStore {
  readonly transport: Promise<Transport>;
  readonly router: CallRouter;
  readonly sizes: QueueSizes;
  readonly replyQueues: ReplyQueues;
  users: number;
  timer?: NodeJS.Timeout;
}

const NAMESPACE = option.ns('at one hub');
/** How long an unused store stays open, for clients that reconnect. */
const KEEP_MS = 5_000;
const MAX_OPEN = 1_000;

export class StorePool {
  readonly #open: OpenStore;
  readonly #stores = new Map<string, PooledStore>();

  constructor(open: OpenStore) {
    this.#open = open;
  }

  /** The store of `ns`, which stays open until it is released. */
  async acquire(ns: string): Promise<StoreRef> {
    if (ns !== '') NAMESPACE.check(ns, 'ns');
    if (this.#stores.size >= MAX_OPEN && !this.#stores.has(ns)) {
      throw new BusbarError('BACKPRESSURE', `${MAX_OPEN} namespaces are in use`, {
        hint: 'Use fewer namespaces, or another hub.',
      });
    }
    const store = this.#stores.get(ns) ?? this.#begin(ns);
    clearTimeout(store.timer);
    store.users += 1;
    try {
      const { router, sizes, replyQueues } = store;
      const transport = await store.transport;
      return { transport, router, sizes, replyQueues, release: () => this.#release(ns, store) };
    } catch (error) {
      if (this.#stores.get(ns) === store) this.#stores.delete(ns);
      throw error;
    }
  }

  /** Closes all stores. Leases stay with their holders. */
  async close(): Promise<void> {
    const stores = [...this.#stores.values()];
    this.#stores.clear();
    await Promise.all(stores.map(close));
  }

  #begin(ns: string): PooledStore {
    const store: PooledStore = {
      transport: this.#open(ns),
      router: new CallRouter(),
      sizes: new QueueSizes(),
      replyQueues: new ReplyQueues(),
      users: 0,
    };
    store.transport.catch(() => undefined);
    this.#stores.set(ns, store);
    return store;
  }

  /** Keeps the unnamed namespace open, and a store in memory that has data: closing it would lose the data. */
  #release(ns: string, store: PooledStore): void {
    store.users -= 1;
    if (store.users > 0 || ns === '') return;
    store.timer = setTimeout(async () => {
      if (await wouldLoseData(store)) return;
      if (store.users > 0 || this.#stores.get(ns) !== store) return;
      this.#stores.delete(ns);
      void close(store);
    }, KEEP_MS);
    store.timer.unref();
  }
}

async function wouldLoseData({ transport }: PooledStore): Promise<boolean> {
  try {
    const { capabilities, admin, kv } = await transport;
    if (capabilities.durability !== 'none') return false;
    const found = await Promise.all([
      admin.queues({ limit: 1 }),
      admin.topics({ limit: 1 }),
      kv.list('', { limit: 1 }),
    ]);
    return found.some(({ length }) => length > 0);
  } catch {
    return false;
  }
}

async function close({ transport, timer }: PooledStore): Promise<void> {
  clearTimeout(timer);
  try {
    await (await transport).close({ leases: 'keep' });
  } catch {
    // A store that failed to open needs no close.
  }
}
