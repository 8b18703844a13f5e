/** A store for tests of the bus, one per backend, and buses over it. */

import { type Bus, type BusbarError, type BusOptions, openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import * as sqlite from '@busbar/transport-sqlite';

/** A backend whose store exists until it is disposed, independent of its transports. */
export interface Store extends AsyncDisposable {
  open(): Promise<Transport>;
}

let count = 0;

async function memoryStore(): Promise<Store> {
  count += 1;
  const name = `lab-${count}`;
  const keeper = await openMemory({ name });
  return { open: () => openMemory({ name }), [Symbol.asyncDispose]: () => keeper.close() };
}

async function sqliteStore(): Promise<Store> {
  const dir = tempDir();
  const { openSqlite } = sqlite as unknown as { openSqlite(options: { file: string }): Promise<Transport> };
  return {
    open: () => openSqlite({ file: dir.join('bus.db') }),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

/** Memory without its calls: the bus sends requests over queues. */
async function memoryStoreWithoutCalls(): Promise<Store> {
  const store = await memoryStore();
  return {
    open: async () => withoutCalls(await store.open()),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function withoutCalls(transport: Transport): Transport {
  return new Proxy(transport, {
    get: (target, key) => {
      if (key === 'calls') return undefined;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const openers: Record<string, () => Promise<Store>> = { memory: memoryStore };
if ('openSqlite' in sqlite) openers['sqlite'] = sqliteStore;

/** The names of the backends. */
export const backends: readonly string[] = Object.keys(openers);

const HIDDEN = 'memory without calls';
openers[HIDDEN] = memoryStoreWithoutCalls;
/** The same, and one with requests over queues. */
export const requestBackends: readonly string[] = [...backends, HIDDEN];

/** One store with its buses and their reported errors. */
export class Lab implements AsyncDisposable {
  readonly errors: BusbarError[] = [];
  readonly #store: Store;
  readonly #buses: Bus[] = [];

  private constructor(store: Store) {
    this.#store = store;
  }

  static async open(backend: string): Promise<Lab> {
    return new Lab(await openers[backend]!());
  }

  /** Another bus over the same store, with a transport of its own. */
  async bus(options?: BusOptions): Promise<Bus> {
    const transport = await this.#store.open();
    const bus = openBus(transport, { onError: ({ error }) => void this.errors.push(error), ...options });
    this.#buses.push(bus);
    return bus;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#buses.map((bus) => bus.close({ drainMs: 0 })));
    await this.#store[Symbol.asyncDispose]();
  }
}

/** All values of `items`. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
