/** The entries of a transport: keys and values. */

import type { CallOptions } from './call-options.ts';
import type { BusbarError } from './errors.ts';

/** Entries: small values with a revision and a time to live (rules RE1, RE2). */
export interface KeyValue {
  get(key: string, options?: CallOptions): Promise<KvEntry | undefined>;
  /** Sets a value of at most 64 KiB. With `ifRevision` only if that is its present revision; 0 = only if the key is absent. */
  put(key: string, value: Uint8Array, options?: PutOptions): Promise<PutResult>;
  /** Renews TTLs. One result each. With `createRevision` only if the key still has that one. Watchers do not see it. */
  touch(touches: readonly KvTouch[], options?: CallOptions): Promise<TouchResult[]>;
  delete(key: string, options?: DeleteOptions): Promise<DeleteResult>;
  /** Entries whose key starts with `prefix`, in the order of their keys' UTF-8 bytes; up to `limit` (default and most 1,000) after key `after`. */
  list(prefix: string, options?: ListOptions): Promise<KvEntry[]>;
  /**
   * Passes the present entries to `onChanges`, then `synced`, then each change: the latest state per key, no revision twice.
   * The next call follows when its promise resolves. Changes of a key in the meantime are merged into the latest.
   */
  watch(prefix: string, onChanges: OnKvChanges, options?: WatchOptions): Promise<KvWatch>;
}

/** A key and its value. */
export interface KvEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Rises with every put of the key, also after deletions and restarts. */
  readonly revision: number;
  /** The revision of the put that created the entry. It rises with every holder of a lock: it is the fencing token. */
  readonly createRevision: number;
  /** How long until it expires; undefined without a TTL. */
  readonly ttlLeftMs: number | undefined;
}

export interface PutOptions extends CallOptions {
  /** The entry expires after this time, 1 or more. Default: never. A put without a TTL removes an earlier one. */
  readonly ttlMs?: number | undefined;
  readonly ifRevision?: number | undefined;
}

/** The entry that a settlement puts, such as the outcome of a task. */
export interface KvPut {
  readonly key: string;
  /** At most 64 KiB. */
  readonly value: Uint8Array;
  /** 1 or more. Default: it never expires. */
  readonly ttlMs?: number | undefined;
}

/** A conflict is a result, not an error. It has the present entry; undefined if the key is absent. */
export type PutResult =
  | { readonly status: 'stored'; readonly revision: number; readonly createRevision: number }
  | { readonly status: 'conflict'; readonly current: KvEntry | undefined };

export interface KvTouch {
  readonly key: string;
  /** 1 or more. */
  readonly ttlMs: number;
  readonly createRevision?: number | undefined;
}

export interface TouchResult {
  readonly key: string;
  /** `lost`: the key is absent or has another `createRevision`. */
  readonly status: 'touched' | 'lost';
}

export interface DeleteOptions extends CallOptions {
  readonly ifRevision?: number | undefined;
}

/** `absent`: there was no entry. `conflict`: it has another revision. */
export interface DeleteResult {
  readonly status: 'deleted' | 'absent' | 'conflict';
}

export interface ListOptions extends CallOptions {
  readonly limit?: number | undefined;
  readonly after?: string | undefined;
}

export interface WatchOptions extends CallOptions {
  /** About how many bytes of values one batch has. Default: no limit. */
  readonly maxBytes?: number | undefined;
  /** Whether the process stays alive while it is open. Default true. */
  readonly keepsAlive?: boolean | undefined;
}

/** A change that a watcher sees. */
export type KvChange =
  | { readonly kind: 'put'; readonly entry: KvEntry }
  | { readonly kind: 'deleted' | 'expired'; readonly key: string; readonly revision: number }
  | { readonly kind: 'synced' };

export type OnKvChanges = (changes: readonly KvChange[]) => void | Promise<void>;

/** A live watch, like a TopicSubscription. */
export interface KvWatch extends AsyncDisposable {
  readonly ended: Promise<BusbarError | undefined>;
  close(): Promise<void>;
}
