/** The servers of calls over queues, known from a watch, so a request needs no lookup. */

import type { KvChange, KvWatch } from '../../contract/kv.ts';
import { readObject } from '../messages/codec.ts';
import { addressOf } from '../registry/agent-names.ts';
import type { BusRuntime } from '../runtime.ts';
import { SERVE_PREFIX, type ServerRecord } from './protocol.ts';

/** Called when the bus with this inbox stops serving an address. `isLast`: no other bus serves it. */
export type OnServerGone = (address: string, inbox: string, isLast: boolean) => void;

/** Servers by address. */
export class ServerDirectory {
  readonly #runtime: BusRuntime;
  readonly #onGone: OnServerGone;
  readonly #servers = new Map<string, Map<string, ServerRecord>>();
  #watch: Promise<KvWatch> | undefined;

  constructor(runtime: BusRuntime, onGone: OnServerGone) {
    this.#runtime = runtime;
    this.#onGone = onGone;
    runtime.shutdown.add('services', { close: () => this.#close() });
  }

  /** Whether a server takes requests to `address`. If the watch knows none, the store is asked. */
  async isServed(address: string): Promise<boolean> {
    if (this.#knows(address)) return true;
    await this.#open();
    if (this.#knows(address)) return true;
    const prefix = keyOf(address, '');
    const entries = await this.#runtime.transport.kv.list(prefix);
    return entries.some(({ key, value }) => fromKey(key).address === address && !toRecord(value).closing);
  }

  #knows(address: string): boolean {
    for (const { closing } of this.#servers.get(address)?.values() ?? []) if (closing !== true) return true;
    return false;
  }

  async #open(): Promise<void> {
    this.#watch ??= this.#begin();
    try {
      await this.#watch;
    } catch (error) {
      this.#watch = undefined;
      throw error;
    }
  }

  async #begin(): Promise<KvWatch> {
    const { promise: synced, resolve } = Promise.withResolvers<void>();
    const onChanges = (changes: readonly KvChange[]): void => {
      for (const change of changes) {
        if (change.kind === 'synced') resolve();
        else this.#control(change);
      }
    };
    const watch = await this.#runtime.transport.kv.watch(SERVE_PREFIX, onChanges, { keepsAlive: false });
    void watch.ended.then((error) => {
      this.#watch = undefined;
      this.#servers.clear();
      resolve();
      if (error !== undefined) this.#runtime.report(error, { kind: 'request' });
    });
    await synced;
    return watch;
  }

  #control(change: Exclude<KvChange, { kind: 'synced' }>): void {
    const key = change.kind === 'put' ? change.entry.key : change.key;
    const { address } = fromKey(key);
    const servers = this.#servers.get(address) ?? new Map<string, ServerRecord>();
    if (change.kind === 'put') {
      servers.set(key, toRecord(change.entry.value));
      this.#servers.set(address, servers);
      return;
    }
    const gone = servers.get(key);
    servers.delete(key);
    if (servers.size === 0) this.#servers.delete(address);
    const isThere = [...servers.values()].some(({ inbox }) => inbox === gone?.inbox);
    if (gone !== undefined && !isThere) this.#onGone(address, gone.inbox, servers.size === 0);
  }

  async #close(): Promise<void> {
    const watch = await this.#watch?.catch(() => undefined);
    await watch?.close();
  }
}

/** The key of one server of an address. */
export function keyOf(address: string, instance: string): string {
  return `${SERVE_PREFIX}${address.slice(addressOf('').length)}/${instance}`;
}

function fromKey(key: string): { readonly address: string } {
  return { address: addressOf(key.slice(SERVE_PREFIX.length, key.lastIndexOf('/'))) };
}

function toRecord(value: Uint8Array): ServerRecord {
  const { inbox, closing } = readObject(value) ?? {};
  return { inbox: typeof inbox === 'string' ? inbox : '', closing: closing === true };
}
