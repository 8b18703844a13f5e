/** Who serves emulated calls, as one bus knows it: it watches, so that a call need not ask first. */

import type { KvChange, KvWatch } from '../../contract/transport.ts';
import { readObject } from '../registry/agent-info.ts';
import { addressOf } from '../registry/agent-names.ts';
import type { BusKernel } from '../runtime.ts';
import { SERVE_PREFIX, type ServeRecord } from './protocol.ts';

/** Told when the bus with this mailbox does not serve an address any more; `isLast` when nobody does. */
export type OnServerGone = (address: string, box: string, isLast: boolean) => void;

/** Servers by address. */
export class CallDirectory {
  readonly #kernel: BusKernel;
  readonly #onGone: OnServerGone;
  readonly #servers = new Map<string, Map<string, ServeRecord>>();
  #watch: Promise<KvWatch> | undefined;

  constructor(kernel: BusKernel, onGone: OnServerGone) {
    this.#kernel = kernel;
    this.#onGone = onGone;
    kernel.lifetime.add('foundation', { close: () => this.#close() });
  }

  /** Whether somebody takes calls to `address`. What the watch does not know yet is looked up. */
  async isServed(address: string): Promise<boolean> {
    if (this.#knows(address)) return true;
    await this.#open();
    if (this.#knows(address)) return true;
    const prefix = keyOf(address, '');
    const entries = await this.#kernel.transport.kv.list(prefix);
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
    const watch = await this.#kernel.transport.kv.watch(SERVE_PREFIX, (changes) => {
      for (const change of changes) {
        if (change.kind === 'synced') resolve();
        else this.#note(change);
      }
    });
    void watch.ended.then((error) => {
      this.#watch = undefined;
      this.#servers.clear();
      resolve();
      if (error !== undefined) this.#kernel.report(error, 'call');
    });
    await synced;
    return watch;
  }

  #note(change: Exclude<KvChange, { kind: 'synced' }>): void {
    const key = change.kind === 'put' ? change.entry.key : change.key;
    const { address } = fromKey(key);
    const servers = this.#servers.get(address) ?? new Map<string, ServeRecord>();
    if (change.kind === 'put') {
      servers.set(key, toRecord(change.entry.value));
      this.#servers.set(address, servers);
      return;
    }
    const gone = servers.get(key);
    servers.delete(key);
    if (servers.size === 0) this.#servers.delete(address);
    const isThere = [...servers.values()].some(({ box }) => box === gone?.box);
    if (gone !== undefined && !isThere) this.#onGone(address, gone.box, servers.size === 0);
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

function toRecord(value: Uint8Array): ServeRecord {
  const { box, closing } = readObject(value) ?? {};
  return { box: typeof box === 'string' ? box : '', closing: closing === true };
}
