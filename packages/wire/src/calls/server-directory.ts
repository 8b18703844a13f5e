/** The servers of calls, known from the registry in the store. */

import type { Cursor, KvDriver } from '@busbar/api/driver';
import type { KvChange } from '@busbar/api/transport';

/** Prefix of the keys of servers. Each is followed by an address and the name of a socket. */
const PREFIX = '$direct/';
const MAX_CHANGES = 256;
const MAX_LISTED = 1_000;
const OPEN_TIMEOUT_MS = 10_000;

/** The key of a server of `address`. */
export function keyOf(address: string, name: string): string {
  return `${PREFIX}${address}/${name}`;
}

/** The names of the sockets that serve each address. It watches the registry from its first use. */
export class ServerDirectory {
  readonly #kv: KvDriver;
  readonly #signal: AbortSignal;
  readonly #servers = new Map<string, Set<string>>();
  #cursor: Promise<Cursor<KvChange>> | undefined;
  #synced: Promise<void> | undefined;

  constructor(kv: KvDriver, signal: AbortSignal) {
    this.#kv = kv;
    this.#signal = signal;
  }

  /** The known servers of an address; undefined if there are none. */
  find(address: string): ReadonlySet<string> | undefined {
    return this.#servers.get(address);
  }

  /** Asks the store for the servers of an address: the watch may be behind a server that has just begun. */
  async lookUp(address: string): Promise<void> {
    const context = { signal: this.#signal, deadline: performance.now() + OPEN_TIMEOUT_MS };
    const entries = await this.#kv.list(keyOf(address, ''), { limit: MAX_LISTED, after: undefined }, context);
    for (const { key } of entries) this.#apply(key, true);
  }

  /** Forgets a server whose socket is dead. */
  forget(address: string, name: string): void {
    const servers = this.#servers.get(address);
    servers?.delete(name);
    if (servers?.size === 0) this.#servers.delete(address);
  }

  /** Resolves when the present servers are known. Rejects if the store cannot be read. */
  whenSynced(): Promise<void> {
    this.#synced ??= this.#open();
    return this.#synced;
  }

  async close(): Promise<void> {
    const cursor = await this.#cursor?.catch(() => undefined);
    await cursor?.close();
  }

  async #open(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const context = { signal: this.#signal, deadline: performance.now() + OPEN_TIMEOUT_MS };
    this.#cursor = this.#kv.watch(PREFIX, context);
    this.#cursor
      .then((cursor) => this.#run(cursor, resolve))
      .catch(reject)
      .finally(() => {
        resolve();
        // The next call opens the watch again.
        this.#synced = undefined;
        this.#servers.clear();
      });
    await promise;
  }

  async #run(cursor: Cursor<KvChange>, onSynced: () => void): Promise<void> {
    for (;;) {
      const changes = await cursor.next(MAX_CHANGES);
      if (changes.length === 0) return;
      for (const change of changes) {
        if (change.kind === 'synced') onSynced();
        else if (change.kind === 'put') this.#apply(change.entry.key, true);
        else this.#apply(change.key, false);
      }
    }
  }

  #apply(key: string, isThere: boolean): void {
    const end = key.lastIndexOf('/');
    const [address, name] = [key.slice(PREFIX.length, end), key.slice(end + 1)];
    const servers = this.#servers.get(address) ?? new Set();
    if (isThere) this.#servers.set(address, servers.add(name));
    else this.forget(address, name);
  }
}
