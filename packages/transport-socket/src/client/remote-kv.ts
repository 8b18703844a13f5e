/** The keys and values of a hub's store. */

import type { CallContext, KvDriver, PageQuery } from '@busbar/api/driver';
import type { DeleteResult, KvEntry, PutResult, TouchResult } from '@busbar/api/transport';
import type { Header } from '@busbar/wire';
import { decodeEntry } from '../wire/value-codec.ts';
import type { HubClient } from './hub-client.ts';
import { RemoteWatch } from './remote-watch.ts';
import { sizeOfText, splitBatches } from './split-batches.ts';

export function remoteKv(client: HubClient): KvDriver {
  return {
    async get(key, context) {
      const { header, bodies } = await client.repeat('kv.get', { key }, context);
      return header['entry'] === undefined ? undefined : decodeEntry(header['entry'] as Header, bodies[0]);
    },
    async put(key, value, condition, { deadline }) {
      const { header, bodies } = await client.request({
        op: 'kv.put',
        header: { key, ...condition },
        bodies: [value],
        deadline,
        whenLost: 'unknown',
      });
      if (header['status'] !== 'conflict') return header as unknown as PutResult;
      const current = header['current'] as Header | undefined;
      return { status: 'conflict', current: current && decodeEntry(current, bodies[0]) };
    },
    async touch(all, context) {
      const batches = splitBatches(all, ({ key }) => sizeOfText(key));
      const responses = await Promise.all(batches.map((touches) => client.repeat('kv.touch', { touches }, context)));
      return responses.flatMap(({ header }) => header['results'] as TouchResult[]);
    },
    async delete(key, ifRevision, { deadline }) {
      const header = { key, ifRevision };
      const response = await client.request({ op: 'kv.delete', header, deadline, whenLost: 'unknown' });
      return response.header as unknown as DeleteResult;
    },
    list: (prefix, page, context) => listAll(client, prefix, page, context),
    watch: (prefix, context) => RemoteWatch.open(client, prefix, context),
  };
}

/** The hub limits the size of each response. */
async function listAll(
  client: HubClient,
  prefix: string,
  { limit, after }: PageQuery,
  context: CallContext,
): Promise<KvEntry[]> {
  const entries: KvEntry[] = [];
  for (let from = after; ; from = entries.at(-1)?.key) {
    const range = { prefix, limit: limit - entries.length, after: from };
    const { header, bodies } = await client.repeat('kv.list', range, context);
    const page = header['entries'] as readonly Header[];
    for (const [index, each] of page.entries()) entries.push(decodeEntry(each, bodies[index]));
    if (header['more'] !== true || page.length === 0 || entries.length >= limit) return entries;
  }
}
