/** Tasks that replace the waiting one of their key. */

import type { CallOptions } from '../../contract/call-options.ts';
import type { KvEntry } from '../../contract/kv.ts';
import type { Transport } from '../../contract/transport.ts';
import { MAX_DURATION_MS } from '../../contract/validation.ts';
import type { TaskHandle } from './task-handle.ts';

/** How long the last task of a key is known after it may start. */
const KNOWN_MS = 604_800_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One task that replaces another one. */
export interface Replacement {
  /** The queue, # and the key. */
  readonly place: string;
  readonly delayMs: number;
  readonly bounds: CallOptions;
}

/** The tasks with keys of one bus. The last one of each key stands in the key-value facet. */
export class ReplacedTasks {
  readonly #transport: Transport;
  readonly #handleOf: (id: string) => TaskHandle;
  /** The last call of each key: calls of one process keep their order. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(transport: Transport, handleOf: (id: string) => TaskHandle) {
    this.#transport = transport;
    this.#handleOf = handleOf;
  }

  /**
   * Stores a task by `send`, and then cancels the one that it replaces. A process that dies between the two leaves both: no task
   * is lost.
   */
  async send(replacement: Replacement, send: () => Promise<TaskHandle>): Promise<TaskHandle> {
    const { place } = replacement;
    const before = this.#turns.get(place) ?? Promise.resolve();
    const sent = before.then(async () => {
      const handle = await send();
      await this.#replace(replacement, handle);
      return handle;
    });
    const turn = sent.catch(() => undefined);
    this.#turns.set(place, turn);
    await turn;
    if (this.#turns.get(place) === turn) this.#turns.delete(place);
    return sent;
  }

  async #replace({ place, delayMs, bounds }: Replacement, handle: TaskHandle): Promise<void> {
    // A handler that runs again sends the same task again. It may have been replaced or may have run since.
    if (handle.isDuplicate && !WAITING.has(await handle.status(bounds))) return;
    const { kv } = this.#transport;
    const key = `$task/#replace/${place}`;
    const value = encoder.encode(handle.id);
    const ttlMs = Math.min(MAX_DURATION_MS, delayMs + KNOWN_MS);
    let known: KvEntry | undefined = await kv.get(key, bounds);
    for (;;) {
      const old = known && decoder.decode(known.value);
      const put = await kv.put(key, value, { ttlMs, ifRevision: known?.revision ?? 0, ...bounds });
      if (put.status === 'conflict') {
        known = put.current;
        continue;
      }
      if (old !== undefined && old !== handle.id) await this.#cancel(old, handle.id, bounds);
      return;
    }
  }

  async #cancel(old: string, id: string, bounds: CallOptions): Promise<void> {
    await this.#handleOf(old).cancel({ reason: `replaced by ${id}`, ...bounds });
  }
}

const WAITING: ReadonlySet<string> = new Set(['queued', 'delayed']);
