/** What clients may ask of entries, and of the cursors that they have open. */

import { checkInteger, type KvEntry, type KvTouch } from '@busbar/api/transport';
import { BATCH_BYTES } from '../../wire/protocol.ts';
import { toEntryHead } from '../../wire/value-codec.ts';
import { bounds, handleOf, listOf, onlyBody, pick } from './arguments.ts';
import { ChangeFeed } from './cursors.ts';
import type { Operation, Reply, Request } from './operation.ts';

/** Values are at most 64 KiB: so many are always looked at. */
const STEP = 64;

export const entryOperations: Readonly<Record<string, Operation>> = {
  async 'kv.get'({ head, client }) {
    const entry = await client.store.kv.get(head['key'] as string, bounds(head));
    return entry === undefined ? {} : { head: { entry: toEntryHead(entry) }, bodies: [entry.value] };
  },
  async 'kv.put'({ head, bodies, client }) {
    const options = { ...bounds(head), ...pick(head, ['ttlMs', 'ifRevision']) };
    const result = await client.store.kv.put(head['key'] as string, onlyBody(bodies), options);
    if (result.status === 'stored') return { head: { ...result } };
    const { status, current } = result;
    return current === undefined ? { head: { status } } : conflict(current);
  },
  async 'kv.touch'({ head, client }) {
    const touches = listOf<KvTouch>(head['touches'], 'touches');
    return { head: { results: await client.store.kv.touch(touches, bounds(head)) } };
  },
  async 'kv.delete'({ head, client }) {
    const options = { ...bounds(head), ...pick(head, ['ifRevision']) };
    return { head: { ...(await client.store.kv.delete(head['key'] as string, options)) } };
  },
  'kv.list': list,
  async 'kv.watch'({ id, head, client }) {
    client.cursors.assertRoom();
    const feed = new ChangeFeed();
    feed.begin(await client.store.kv.watch(head['prefix'] as string, feed.take, bounds(head)));
    if (client.isGone) feed.close();
    else client.cursors.add(id, feed);
    return { head: { cursor: id } };
  },
  async 'cursor.next'({ id, head, client, cancellation }) {
    const { cursor, max } = head;
    checkInteger(max, 'max', { min: 1, max: 1000 });
    return client.cursors.next(handleOf(cursor, 'cursor'), id, (max as number | undefined) ?? 256, cancellation);
  },
  async 'cursor.close'({ head, client }) {
    client.cursors.close(handleOf(head['cursor'], 'cursor'));
    return {};
  },
};

function conflict(current: KvEntry): Reply {
  return { head: { status: 'conflict', current: toEntryHead(current) }, bodies: [current.value] };
}

async function list({ head, client }: Request): Promise<Reply> {
  const { prefix, limit = 1000, after } = head as { prefix: string; limit?: number; after?: string };
  checkInteger(limit, 'limit', { min: 1, max: 1000 });
  const entries: KvEntry[] = [];
  let bytes = 0;
  for (let from = after; ; from = entries.at(-1)?.key) {
    const step = Math.min(STEP, limit - entries.length);
    const options = { ...bounds(head), limit: step, ...(from === undefined ? {} : { after: from }) };
    const page = await client.store.kv.list(prefix, options);
    entries.push(...page);
    for (const { value } of page) bytes += value.byteLength;
    const more = page.length === step && entries.length < limit;
    if (more && bytes < BATCH_BYTES) continue;
    return { head: { entries: entries.map(toEntryHead), more }, bodies: entries.map(({ value }) => value) };
  }
}
