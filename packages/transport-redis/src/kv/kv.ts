/** The key-value store: small values with a revision and a time to live. */

import type { KvDriver } from '@busbar/api/driver';
import type { PutResult } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { KV_DELETE, KV_GET, KV_PUT, KV_TOUCH } from '../lua/kv.ts';
import { toBuffer } from '../queues/stored-message.ts';
import { type EntryReply, listEntries, toEntry } from './entries.ts';
import type { KvWatches } from './watch.ts';

export function openKv(client: ReconnectingClient, watches: KvWatches): KvDriver {
  return {
    async get(key, { deadline }) {
      const reply = (await client.run(KV_GET, [key], { deadline, repeat: true })) as EntryReply | null;
      return reply === null ? undefined : toEntry(reply);
    },
    async put(key, value, { ttlMs, ifRevision }, { deadline }) {
      const args = [key, toBuffer(value), ttlMs ?? 0, ifRevision ?? ''];
      // A conditional put changes the revision it requires, so it must not run twice.
      return toPutResult(await client.run(KV_PUT, args, { deadline, repeat: ifRevision === undefined }));
    },
    async touch(touches, { deadline }) {
      if (touches.length === 0) return [];
      const args = touches.flatMap(({ key, ttlMs, createRevision }) => [key, ttlMs, createRevision ?? '']);
      const letters = String(await client.run(KV_TOUCH, args, { deadline, repeat: true }));
      return touches.map(({ key }, index) => ({ key, status: letters[index] === 't' ? 'touched' : 'lost' }));
    },
    async delete(key, ifRevision, { deadline }) {
      const status = String(await client.run(KV_DELETE, [key, ifRevision ?? ''], { deadline, repeat: false }));
      return { status: status as 'deleted' | 'absent' | 'conflict' };
    },
    async list(prefix, page, { deadline }) {
      return (await listEntries(client, prefix, page, deadline)).entries;
    },
    watch: (prefix, context) => watches.open(prefix, context),
  };
}

function toPutResult(reply: unknown): PutResult {
  const [status, first, second] = reply as [Buffer, unknown, unknown];
  if (String(status) === 'stored') {
    return { status: 'stored', revision: Number(String(first)), createRevision: Number(String(second)) };
  }
  return { status: 'conflict', current: first === undefined ? undefined : toEntry(first as EntryReply) };
}
