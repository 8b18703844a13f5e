/** Operations on keys and values, and on cursors. */

import { checkInteger, type KvEntry, type KvTouch } from '@busbar/api/transport';
import { BATCH_BYTES } from '../../wire/protocol.ts';
import { encodeEntry } from '../../wire/value-codec.ts';
import { arrayOf, idOf, optionsOf, singleBody } from './arguments.ts';
import { ChangeFeed, type HubResponse } from './cursors.ts';
import type { HubOperation, HubRequest } from './operation.ts';

/** Entries that one step of a listing reads. A value has at most 64 KiB. */
const STEP = 64;
const DEFAULT_LIMIT = 1000;
const DEFAULT_CURSOR_MAX = 256;

export const kvOperations: Readonly<Record<string, HubOperation>> = {
  async 'kv.get'({ header, client }) {
    const entry = await client.store.kv.get(header['key'] as string, optionsOf(header));
    return entry === undefined ? {} : { header: { entry: encodeEntry(entry) }, bodies: [entry.value] };
  },
  async 'kv.put'({ header, bodies, client }) {
    const options = optionsOf(header, ['ttlMs', 'ifRevision']);
    const result = await client.store.kv.put(header['key'] as string, singleBody(bodies), options);
    if (result.status === 'stored') return { header: { ...result } };
    const { status, current } = result;
    if (current === undefined) return { header: { status } };
    return { header: { status, current: encodeEntry(current) }, bodies: [current.value] };
  },
  async 'kv.touch'({ header, client }) {
    const touches = arrayOf<KvTouch>(header['touches'], 'touches');
    return { header: { results: await client.store.kv.touch(touches, optionsOf(header)) } };
  },
  async 'kv.delete'({ header, client }) {
    const options = optionsOf(header, ['ifRevision']);
    return { header: { ...(await client.store.kv.delete(header['key'] as string, options)) } };
  },
  'kv.list': list,
  async 'kv.watch'({ id, header, client }) {
    client.cursors.assertRoom();
    const feed = new ChangeFeed();
    const { buffer } = feed;
    buffer.begin(await client.store.kv.watch(header['prefix'] as string, buffer.push, optionsOf(header)));
    return client.cursors.add(id, feed);
  },
  async 'cursor.next'({ id, header, client, cancellation }) {
    const { cursor, max = DEFAULT_CURSOR_MAX } = header;
    checkInteger(max, 'max', { min: 1, max: 1000 });
    return client.cursors.next(idOf(cursor, 'cursor'), id, max as number, cancellation);
  },
  async 'cursor.close'({ header, client }) {
    client.cursors.close(idOf(header['cursor'], 'cursor'));
    return {};
  },
};

/** Reads in steps until the response is large enough. */
async function list({ header, client }: HubRequest): Promise<HubResponse> {
  const { prefix, limit = DEFAULT_LIMIT, after } = header as { prefix: string; limit?: number; after?: string };
  checkInteger(limit, 'limit', { min: 1, max: 1000 });
  const entries: KvEntry[] = [];
  let bytes = 0;
  for (let from = after; ; from = entries.at(-1)?.key) {
    const step = Math.min(STEP, limit - entries.length);
    const options = { ...optionsOf(header), limit: step, ...(from !== undefined && { after: from }) };
    const page = await client.store.kv.list(prefix, options);
    entries.push(...page);
    for (const { value } of page) bytes += value.byteLength;
    const more = page.length === step && entries.length < limit;
    if (more && bytes < BATCH_BYTES) continue;
    return { header: { entries: entries.map(encodeEntry), more }, bodies: entries.map(({ value }) => value) };
  }
}
