/** The entries of a hub's store. */

import type { KvDriver, PageQuery } from '@busbar/api/driver';
import type { KvEntry, PutResult, TouchResult } from '@busbar/api/transport';
import type { Head } from '../wire/frame.ts';
import { readEntry } from '../wire/value-codec.ts';
import { batches, sizeOfText } from './batches.ts';
import type { HubLine } from './hub-client.ts';
import { RemoteWatch } from './remote-watch.ts';

/** The entries of a hub's store. */
export function remoteEntries(line: HubLine): KvDriver {
  return {
    async get(key, { deadline }) {
      const { head, bodies } = await line.request({
        op: 'kv.get',
        head: { key },
        deadline,
        whenLost: 'repeat',
      });
      return head['entry'] === undefined ? undefined : readEntry(head['entry'] as Head, bodies[0]);
    },
    async put(key, value, condition, { deadline }) {
      const plan = {
        op: 'kv.put',
        head: { key, ...condition },
        bodies: [value],
        deadline,
        whenLost: 'unknown',
      } as const;
      const { head, bodies } = await line.request(plan);
      if (head['status'] !== 'conflict') return head as unknown as PutResult;
      const current = head['current'] as Head | undefined;
      return { status: 'conflict', current: current && readEntry(current, bodies[0]) };
    },
    async touch(touches, { deadline }) {
      const parts = batches(touches, ({ key }) => sizeOfText(key));
      const answers = await Promise.all(
        parts.map((part) => line.request({ op: 'kv.touch', head: { touches: part }, deadline, whenLost: 'repeat' })),
      );
      return answers.flatMap(({ head }) => head['results'] as TouchResult[]);
    },
    async delete(key, ifRevision, { deadline }) {
      const { head } = await line.request({
        op: 'kv.delete',
        head: { key, ifRevision },
        deadline,
        whenLost: 'unknown',
      });
      return head as never;
    },
    async list(prefix, page, { deadline }) {
      return listAll(line, prefix, page, deadline);
    },
    watch: (prefix, context) => RemoteWatch.open(line, prefix, context),
  };
}

/** The hub gives as many as it holds for one client at a time. */
async function listAll(
  line: HubLine,
  prefix: string,
  { limit, after }: PageQuery,
  deadline: number,
): Promise<KvEntry[]> {
  const entries: KvEntry[] = [];
  for (let from = after; ; from = entries.at(-1)?.key) {
    const { head, bodies } = await line.request({
      op: 'kv.list',
      head: { prefix, limit: limit - entries.length, after: from },
      deadline,
      whenLost: 'repeat',
    });
    const page = head['entries'] as readonly Head[];
    for (const [index, each] of page.entries()) entries.push(readEntry(each, bodies[index]));
    if (head['more'] !== true || page.length === 0 || entries.length >= limit) return entries;
  }
}
