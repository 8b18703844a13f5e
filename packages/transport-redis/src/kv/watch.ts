/** Watches on keys: changes arrive on a channel; after a reconnect the missed ones are read. */

import { type CallContext, type Cursor, type KeyChange, WatchCursor } from '@busbar/api/driver';
import type { KvChange, KvEntry } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { KV_DELETED_SINCE } from '../lua/kv.ts';
import { type EntryList, listEntries, parseChange, parseRemovals } from './entries.ts';

interface Watch {
  readonly prefix: string;
  readonly cursor: WatchCursor;
  /** The last revision of each key that the cursor has got. */
  readonly known: Map<string, number>;
  /** The watch has got every change up to this revision. */
  revision: number;
}

/** A channel, and the watches that it informs. */
interface Channel {
  readonly watches: Set<Watch>;
  readonly subscribed: Promise<void>;
}

export class KvWatches {
  readonly #client: ReconnectingClient;
  readonly #channels = new Map<string, Channel>();
  readonly #expiryListeners: ((ms: number) => void)[] = [];

  constructor(client: ReconnectingClient) {
    this.#client = client;
  }

  get isEmpty(): boolean {
    return this.#channels.size === 0;
  }

  /** Calls `listener` with the time in which an entry expires, if any, when a watch begins and when an entry is put. */
  onExpiry(listener: (ms: number) => void): void {
    this.#expiryListeners.push(listener);
  }

  async open(prefix: string, { deadline }: CallContext): Promise<Cursor<KvChange>> {
    const cursor = new WatchCursor(prefix, () => this.#remove(watch));
    const watch: Watch = { prefix, cursor, known: new Map(), revision: 0 };
    const { watches, subscribed } = this.#channel(channelOf(prefix));
    watches.add(watch);
    try {
      await subscribed;
      const { entries, revision, nextExpiryMs } = await this.#list(prefix, deadline);
      for (const { key, revision: own } of entries) {
        if (own >= (watch.known.get(key) ?? 0)) watch.known.set(key, own);
      }
      watch.revision = Math.max(watch.revision, revision);
      cursor.begin(entries);
      this.#announceExpiry(nextExpiryMs ?? Number.POSITIVE_INFINITY);
      return cursor;
    } catch (error) {
      await cursor.close();
      throw error;
    }
  }

  /**
   * Delivers to each watch how the store differs from what the watch has got: after missed changes, and after a loss. Returns
   * whether an entry fell back to an earlier value.
   */
  async catchUp(): Promise<boolean> {
    const results = await Promise.all(this.#all().map((watch) => this.#catchUp(watch)));
    return results.includes(true);
  }

  async close(): Promise<void> {
    for (const { cursor } of this.#all()) await cursor.close();
  }

  #all(): Watch[] {
    return [...this.#channels.values()].flatMap(({ watches }) => [...watches]);
  }

  #list(prefix: string, deadline: number): Promise<EntryList> {
    return listEntries(this.#client, prefix, { limit: Number.POSITIVE_INFINITY, after: undefined }, deadline);
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    const watches = new Set<Watch>();
    const onPayload = (payload: Buffer): void => this.#dispatch(watches, parseChange(payload));
    const channel = { watches, subscribed: this.#client.channels.subscribe(name, onPayload) };
    this.#channels.set(name, channel);
    return channel;
  }

  #dispatch(watches: ReadonlySet<Watch>, change: KeyChange): void {
    if (change.kind === 'put' && change.entry.ttlLeftMs !== undefined) this.#announceExpiry(change.entry.ttlLeftMs);
    for (const watch of watches) deliver(watch, change);
  }

  #announceExpiry(ms: number): void {
    for (const listener of this.#expiryListeners) listener(ms);
  }

  async #catchUp(watch: Watch): Promise<boolean> {
    let fellBack = false;
    const since = watch.revision;
    const before = new Map(watch.known);
    const { entries, revision } = await this.#list(watch.prefix, Number.POSITIVE_INFINITY);
    const removals = await this.#removalsSince(since);
    const present = new Set(entries.map(({ key }) => key));
    for (const entry of entries) {
      const known = before.get(entry.key) ?? 0;
      if (entry.revision < known && watch.known.get(entry.key) === known) {
        // No later change came while the entries were read.
        fellBack = true;
        watch.known.delete(entry.key);
      }
      deliver(watch, { kind: 'put', entry });
    }
    for (const [key, known] of before) {
      if (present.has(key) || watch.known.get(key) !== known) continue;
      deliver(watch, removals.get(key) ?? { kind: 'deleted', key, revision: Math.max(revision, known + 1) });
    }
    watch.revision = Math.max(watch.revision, revision);
    return fellBack;
  }

  async #removalsSince(revision: number): Promise<ReadonlyMap<string, KeyChange>> {
    const options = { deadline: Number.POSITIVE_INFINITY, repeat: true };
    const removals = parseRemovals((await this.#client.run(KV_DELETED_SINCE, [revision], options)) as Buffer[]);
    return new Map(removals.map((removal) => [keyOfChange(removal), removal]));
  }

  #remove(watch: Watch): void {
    const name = channelOf(watch.prefix);
    const channel = this.#channels.get(name);
    if (channel?.watches.delete(watch) !== true || channel.watches.size > 0) return;
    this.#channels.delete(name);
    this.#client.channels.unsubscribe(name);
  }
}

/** Scripts publish each change on the channel `kv`, and on the channel of the first 8 bytes of its key. */
function channelOf(prefix: string): string {
  const [start] = /^[\x20-\x7e]{8}/.exec(prefix) ?? [];
  return start === undefined ? 'kv' : `kv:${start}`;
}

/** Passes a change to the cursor unless the cursor has got it. */
function deliver(watch: Watch, change: KeyChange): void {
  const key = keyOfChange(change);
  const revision = change.kind === 'put' ? change.entry.revision : change.revision;
  if (!key.startsWith(watch.prefix)) return;
  if (revision <= (watch.known.get(key) ?? 0)) return;
  watch.revision = Math.max(watch.revision, revision);
  if (change.kind === 'put') watch.known.set(key, revision);
  else watch.known.delete(key);
  watch.cursor.changed(change.kind === 'put' ? { kind: 'put', entry: copyOf(change.entry) } : change);
}

function keyOfChange(change: KeyChange): string {
  return change.kind === 'put' ? change.entry.key : change.key;
}

function copyOf(entry: KvEntry): KvEntry {
  return { ...entry, value: entry.value.slice() };
}
