/** Tasks whose key is free again as soon as they have ended. An entry of the store names the present task of each key. */

import type { BrowsedMessage } from '../../contract/admin.ts';
import type { CallOptions } from '../../contract/call-options.ts';
import type { KeyValue, KvEntry } from '../../contract/kv.ts';
import type { Transport } from '../../contract/transport.ts';
import { MAX_DURATION_MS } from '../../contract/validation.ts';
import { pendingOf } from './task-state.ts';

/** One task of a key. */
export interface UniqueTask {
  readonly queue: string;
  readonly key: string;
  /** Eight hexadecimal digits for its id. */
  readonly suffix: string;
  readonly delayMs: number;
  readonly bounds: CallOptions;
}

/** The task that a key has after a call, and whether the call stored it. */
export interface KeyedTask {
  readonly id: string;
  readonly isStored: boolean;
}

/** What the entry of a key says. */
interface NamedTask {
  readonly id: string;
  /** Whether its first send may still be on its way. Then a second send is a duplicate: its dedupe window has not ended. */
  readonly isFresh: boolean;
  readonly leftMs: number;
  readonly revision: number;
}

/** Stores the task under `id`. Resolves with false if the queue knows the id. */
type SendAs = (id: string) => Promise<boolean>;

/** How long a key names its task after the time when that may start. Each call that finds the task renews it. */
const KNOWN_MS = 2_592_000_000;
/** Half of the shortest dedupe window. */
const FRESH_MS = 60_000;

const FORM = /^[^#]+#.+(?=#[0-9a-f]{8}$)/s;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The tasks with unique keys of one bus. A key names its task by compare and set before the task is sent. A process that dies
 * between the two leaves the name of a task that was not sent: the next call sends its own task under that id.
 */
export class UniqueTasks {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Sends a task by `sendAs`, unless the last one of its key waits or runs. */
  async send(task: UniqueTask, sendAs: SendAs): Promise<KeyedTask> {
    const { queue, key, suffix, bounds } = task;
    const { kv } = this.#transport;
    const entryKey = keyOf(`${queue}#${key}`);
    const id = `${queue}#${key}#${suffix}`;
    for (;;) {
      const named = readEntry(await kv.get(entryKey, bounds));
      const found = await this.#find(task, named, sendAs);
      if (found !== undefined) return found;
      const put = await kv.put(entryKey, encoder.encode(JSON.stringify({ id, ttlMs: ttlOf(task.delayMs) })), {
        ttlMs: ttlOf(task.delayMs),
        ifRevision: named?.revision ?? 0,
        ...bounds,
      });
      // A conflict: another call has named its task. A duplicate: another call has sent its task under this id.
      if (put.status === 'stored') return { id, isStored: await sendAs(id) };
    }
  }

  /** The task of the key, or this one under the id that the key names. Undefined if the one that the key names has ended. */
  async #find(task: UniqueTask, named: NamedTask | undefined, sendAs: SendAs): Promise<KeyedTask | undefined> {
    const pending = await this.#pending(task, named);
    if (pending !== undefined || named === undefined) return pending;
    if (named.isFresh && (await sendAs(named.id))) return { id: named.id, isStored: true };
    // Another call may have sent it meanwhile, and a task is absent for a moment while a store moves it in its queue.
    return this.#pending(task, named);
  }

  /** The task of the key that waits or runs; also one that was sent with a plain `dedupeKey`. */
  async #pending(task: UniqueTask, named: NamedTask | undefined): Promise<KeyedTask | undefined> {
    const { queue, key, bounds } = task;
    const ids = [`${queue}#${key}`, ...(named === undefined ? [] : [named.id])];
    for (let after: string | undefined; ; ) {
      const { messages, next } = await this.#transport.admin.browse(queue, { ...bounds, ids, after });
      const pending = pendingOf(messages);
      if (pending !== undefined) {
        if (named?.id === pending.message.id) await this.#renew(task, named, pending);
        return { id: pending.message.id, isStored: false };
      }
      if (next === undefined) return undefined;
      after = next;
    }
  }

  /** A task that waits for long keeps its key. After a conflict the key names another task. */
  async #renew({ queue, key, bounds }: UniqueTask, named: NamedTask, { delayLeftMs = 0 }: BrowsedMessage) {
    const ttlMs = ttlOf(delayLeftMs);
    if (named.leftMs >= ttlMs - KNOWN_MS / 2) return;
    const value = encoder.encode(JSON.stringify({ id: named.id, ttlMs, isSent: true }));
    await this.#transport.kv.put(keyOf(`${queue}#${key}`), value, { ttlMs, ifRevision: named.revision, ...bounds });
  }
}

/**
 * After the ack of a task: its key names it no longer. Undefined for a task without a unique key. A process that dies before
 * this leaves the name of a task that has ended.
 */
export function forgetName(kv: Pick<KeyValue, 'get' | 'delete'>, id: string): Promise<void> | undefined {
  const [place] = FORM.exec(id) ?? [];
  return place === undefined ? undefined : forget(kv, keyOf(place), id);
}

async function forget(kv: Pick<KeyValue, 'get' | 'delete'>, entryKey: string, id: string): Promise<void> {
  const named = readEntry(await kv.get(entryKey));
  if (named?.id === id) await kv.delete(entryKey, { ifRevision: named.revision });
}

/** The key of the entry. No task has an id that begins with #. */
function keyOf(place: string): string {
  return `$task/#unique/${place}`;
}

function ttlOf(delayMs: number): number {
  return Math.min(MAX_DURATION_MS, Math.ceil(delayMs) + KNOWN_MS);
}

function readEntry(entry: KvEntry | undefined): NamedTask | undefined {
  if (entry === undefined) return undefined;
  const { value, revision, ttlLeftMs: leftMs = 0 } = entry;
  const {
    id,
    ttlMs,
    isSent = false,
  } = JSON.parse(decoder.decode(value)) as {
    readonly id: string;
    readonly ttlMs: number;
    readonly isSent?: boolean;
  };
  return { id, isFresh: !isSent && ttlMs - leftMs < FRESH_MS, leftMs, revision };
}
