/** Puts entries. The puts of one round trip share a script. */

import type { PutCondition, TickBatcher } from '@busbar/api/driver';
import type { PutResult } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import type { Argument } from '../connection/encode-command.ts';
import { chunksOf, MAX_ITEMS, runChunks } from '../lua/arguments.ts';
import { KV_PUT } from '../lua/kv.ts';
import { toBuffer } from '../queues/stored-message.ts';
import { type EntryReply, toEntry } from './entries.ts';

interface Put extends PutCondition {
  readonly key: string;
  readonly value: Uint8Array;
}

export class Putter {
  readonly #client: ReconnectingClient;
  readonly #batcher: TickBatcher<Put, PutResult>;
  #last: string | undefined;

  constructor(client: ReconnectingClient) {
    this.#client = client;
    this.#batcher = client.newBatcher({
      run: (kind, puts, deadline) =>
        runChunks(chunksOf(puts, MAX_ITEMS, bytesOf), (some) => this.#putAll(some, kind === 'repeat', deadline)),
      sizeOf: bytesOf,
    });
  }

  /** A conditional put changes the revision it requires, so it must not run twice. */
  async put(put: Put, deadline: number): Promise<PutResult> {
    const kind = put.ifRevision === undefined ? 'repeat' : 'once';
    if (kind !== this.#last) this.#batcher.seal();
    this.#last = kind;
    const [result] = await this.#batcher.call(kind, [put], deadline);
    return result as PutResult;
  }

  async #putAll(puts: readonly Put[], repeat: boolean, deadline: number): Promise<PutResult[]> {
    const args: Argument[] = [];
    for (const { key, value, ttlMs, ifRevision } of puts) args.push(key, toBuffer(value), ttlMs ?? 0, ifRevision ?? '');
    return ((await this.#client.runNow(KV_PUT, args, { deadline, repeat })) as unknown[]).map(toPutResult);
  }
}

function bytesOf({ value }: Put): number {
  return value.byteLength;
}

function toPutResult(reply: unknown): PutResult {
  const [status, first, second] = reply as [Buffer, unknown, unknown];
  if (String(status) === 'stored') {
    return { status: 'stored', revision: Number(String(first)), createRevision: Number(String(second)) };
  }
  return { status: 'conflict', current: first === undefined ? undefined : toEntry(first as EntryReply) };
}
