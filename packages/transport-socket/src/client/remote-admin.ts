/** Admin operations on a hub's store. */

import type { AdminDriver, CallContext } from '@busbar/api/driver';
import type { Binding, Gate, StateRecord, TopicInfo } from '@busbar/api/transport';
import type { Header } from '@busbar/wire';
import { decodeRecord } from '../wire/value-codec.ts';
import type { HubClient } from './hub-client.ts';
import { RemoteCursor } from './remote-cursor.ts';
import { changeOnce, remoteQueueAdmin } from './remote-queue-admin.ts';
import { splitBatches } from './split-batches.ts';

const EXPORT_BATCH = 256;

export function remoteAdmin(client: HubClient): Required<AdminDriver> {
  const change = <T>(op: string, header: Header, context: CallContext): Promise<T> =>
    changeOnce(client, op, header, context);
  return {
    ...remoteQueueAdmin(client),
    topics: async (page, context) =>
      (await client.repeat('admin.topics', { ...page }, context)).header['result'] as TopicInfo[],
    bindings: async (context) => (await client.repeat('admin.bindings', {}, context)).header['result'] as Binding[],
    redrive: (queue, ids, limit, context) => change<number>('admin.redrive', { queue, ids, limit }, context),
    purge: (queue, state, ids, context) => change<number>('admin.purge', { queue, state, ids }, context),
    deleteQueue: (queue, context) => change<boolean>('admin.deleteQueue', { queue }, context),
    clear: (gateRevision, context) =>
      change<undefined>('admin.clear', { gateRevision }, context) as unknown as Promise<void>,
    exportState: (context) => exportState(client, context),
    async importState(records, gateRevision, context) {
      let added = 0;
      for (const batch of splitBatches(records, (record) => Buffer.byteLength(JSON.stringify(record)))) {
        const { header } = await client.repeat('admin.importState', { records: batch, gateRevision }, context);
        added += (header['result'] as number) ?? 0;
      }
      return added;
    },
    gate: async (context) => decodeGate((await client.repeat('admin.gate', {}, context)).header['result'] as Gate),
    setGate: async ({ state, ifRevision, movedTo, ttlMs }, context) => {
      const timed = state === 'draining' || state === 'closed' ? { ttlMs } : {};
      return decodeGate(await change<Gate>('admin.setGate', { state, ifRevision, movedTo, ...timed }, context));
    },
  };
}

/** JSON leaves out what is undefined. */
function decodeGate({ state, revision, movedTo, ttlLeftMs }: Gate): Gate {
  return { state, revision, movedTo, ttlLeftMs };
}

async function* exportState(client: HubClient, context: CallContext): AsyncIterable<StateRecord> {
  const cursor = new RemoteCursor(client, { op: 'admin.exportState', header: () => ({}) });
  await cursor.open(context);
  try {
    for (;;) {
      const { header } = await cursor.nextOnce(EXPORT_BATCH);
      for (const record of header['records'] as readonly StateRecord[]) yield decodeRecord(record);
      if (header['end'] === true) return;
    }
  } finally {
    cursor.close();
  }
}
