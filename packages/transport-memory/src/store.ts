/** Stores of this process: shared by name, gone with their last transport. */

import { newId } from '@busbar/api/transport';
import { Namespace } from './namespace.ts';
import type { MemorySettings } from './options.ts';

const named = new Map<string, Store>();

/** One store, with namespaces that do not see each other. */
export class Store {
  readonly #id = newId();
  readonly #name: string | undefined;
  readonly #namespaces = new Map<string, Namespace>();
  #users = 0;

  private constructor(name: string | undefined) {
    this.#name = name;
  }

  /** The store of this name, made by whoever comes first; a new one where there is no name. */
  static open(name: string | undefined): Store {
    const store = (name === undefined ? undefined : named.get(name)) ?? new Store(name);
    if (name !== undefined) named.set(name, store);
    store.#users += 1;
    return store;
  }

  namespace(settings: MemorySettings): Namespace {
    let namespace = this.#namespaces.get(settings.ns);
    if (namespace === undefined) {
      namespace = new Namespace(this.#id, settings);
      this.#namespaces.set(settings.ns, namespace);
    }
    return namespace;
  }

  /** One user less; the last one takes everything along. */
  leave(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    if (this.#name !== undefined) named.delete(this.#name);
    for (const { deadlines } of this.#namespaces.values()) deadlines.clear();
  }
}
