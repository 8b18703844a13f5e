/** The stores of this process: shared by name, deleted with their last transport. */

import { newId } from '@busbar/api/transport';
import { Namespace } from './namespace.ts';
import type { MemorySettings } from './options.ts';

/** Copies of this package in one process share the stores. The number rises when the classes of a store change. */
const STORES = Symbol.for('busbar.memory.1');
const shared = globalThis as { [STORES]?: Map<string, Store> };
shared[STORES] ??= new Map();
const named = shared[STORES];

/** One store and its namespaces. */
export class Store {
  readonly #id = newId();
  readonly #name: string | undefined;
  readonly #namespaces = new Map<string, Namespace>();
  #users = 0;

  private constructor(name: string | undefined) {
    this.#name = name;
  }

  /** The store of this name, created if needed; without a name a new store. */
  static open(name: string | undefined): Store {
    const store = (name === undefined ? undefined : named.get(name)) ?? new Store(name);
    if (name !== undefined) named.set(name, store);
    store.join();
    return store;
  }

  /** A transport has opened. */
  join(): void {
    this.#users += 1;
  }

  namespace(settings: MemorySettings): Namespace {
    let namespace = this.#namespaces.get(settings.ns);
    if (namespace === undefined) {
      namespace = new Namespace(this.#id, settings);
      this.#namespaces.set(settings.ns, namespace);
    }
    return namespace;
  }

  /** A transport has closed. The last one deletes the store. */
  leave(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    if (this.#name !== undefined) named.delete(this.#name);
    for (const namespace of this.#namespaces.values()) namespace.end();
  }
}
