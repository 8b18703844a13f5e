/** The key-value store: small values with a revision and a time to live. */

import type { KvDriver } from '@busbar/api/driver';
import type { ReconnectingClient } from '../connection/client.ts';
import { KV_DELETE, KV_GET, KV_TOUCH } from '../lua/kv.ts';
import { type EntryReply, listEntries, toEntry } from './entries.ts';
import { Putter } from './put.ts';
import type { KvWatches } from './watch.ts';

export function openKv(client: ReconnectingClient, watches: KvWatches): KvDriver {
  const putter = new Putter(client);
  return {
    async get(key, { deadline }) {
      const reply = (await client.run(KV_GET, [key], { deadline, repeat: true })) as EntryReply | null;
      return reply === null ? undefined : toEntry(reply);
    },
    put: (key, value, condition, { deadline }) => putter.put({ key, value, ...condition }, deadline),
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
