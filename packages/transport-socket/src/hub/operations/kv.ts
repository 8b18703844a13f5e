/** Operations on keys and values, and on cursors. */

import { BatchSize } from '@busbar/api/driver';
import { checkInteger, type KvEntry, type KvTouch } from '@busbar/api/transport';
import { BATCH_BYTES } from '../../wire/protocol.ts';
import { encodeEntry } from '../../wire/value-codec.ts';
import { arrayOf, idOf, optionsOf, singleBody } from './arguments.ts';
import { ChangeFeed, HELD_BYTES, type HubResponse } from './cursors.ts';
import type { HubOperation, HubRequest } from './operation.ts';

/** The largest value. */
const VALUE_BYTES = 65_536;
const DEFAULT_LIMIT = 1000;
const DEFAULT_CURSOR_MAX = 256;

export const kvOperations: Readonly<Record<string, HubOperation>> = {
  async 'kv.get'({ header, client }) {
    const read = () => client.store.kv.get(header['key'] as string, optionsOf(header));
    const entry = await client.answers.run(VALUE_BYTES, read);
    return entry === undefined ? {} : { header: { entry: encodeEntry(entry) }, bodies: [entry.value] };
  },
  async 'kv.put'({ header, bodies, client }) {
    const options = optionsOf(header, ['ttlMs', 'ifRevision']);
    const put = () => client.store.kv.put(header['key'] as string, singleBody(bodies), options);
    // A conflict is answered with the present value.
    const result = await (header['ifRevision'] === undefined ? put() : client.answers.run(VALUE_BYTES, put));
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
  'kv.list': (request) => request.client.answers.run(BATCH_BYTES, () => list(request)),
  'kv.watch': ({ id, header, client }) => {
    const feed = new ChangeFeed(client.cursors.held);
    const { buffer } = feed;
    const options = { ...optionsOf(header), maxBytes: HELD_BYTES };
    return client.cursors.open(id, feed, client.answers, async () =>
      buffer.begin(await client.store.kv.watch(header['prefix'] as string, buffer.push, options)),
    );
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
  const size = new BatchSize({ max: limit, maxBytes: BATCH_BYTES, maxItemBytes: VALUE_BYTES });
  for (let from = after; ; from = entries.at(-1)?.key) {
    const most = Math.min(size.count, limit - entries.length);
    const options = { ...optionsOf(header), limit: most, ...(from !== undefined && { after: from }) };
    const page = await client.store.kv.list(prefix, options);
    entries.push(...page);
    for (const { key, value } of page) bytes += value.byteLength + key.length + 64;
    const more = page.length === most && entries.length < limit;
    if (!more || bytes >= BATCH_BYTES) {
      return { header: { entries: entries.map(encodeEntry), more }, bodies: entries.map(({ value }) => value) };
    }
    size.record(entries.length, bytes);
  }
}
