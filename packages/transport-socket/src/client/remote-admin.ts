/** Admin operations on a hub's store. */

import type { AdminDriver, BrowseFilter, CallContext } from '@busbar/api/driver';
import type {
  Binding,
  BrowsedMessage,
  BrowsePage,
  Gate,
  PendingResult,
  QueueInfo,
  StateRecord,
  TopicInfo,
} from '@busbar/api/transport';
import { decodeMessage, type Header } from '@busbar/wire';
import { decodeRecord, decodeSettings } from '../wire/value-codec.ts';
import type { HubClient } from './hub-client.ts';
import { RemoteCursor } from './remote-cursor.ts';
import { splitBatches } from './split-batches.ts';

const EXPORT_BATCH = 256;

export function remoteAdmin(client: HubClient): Required<AdminDriver> {
  /** Returns a count of changes, so a repetition would return a wrong one. */
  const change = async <T>(op: string, header: Header, { deadline }: CallContext): Promise<T> => {
    const response = await client.request({ op, header, deadline, whenLost: 'unknown' });
    return response.header['result'] as T;
  };
  return {
    async queues(filter, context) {
      const { header } = await client.repeat('admin.queues', { ...filter }, context);
      return (header['result'] as QueueInfo[]).map((info) => ({ ...info, settings: decodeSettings(info.settings) }));
    },
    topics: async (page, context) =>
      (await client.repeat('admin.topics', { ...page }, context)).header['result'] as TopicInfo[],
    bindings: async (context) => (await client.repeat('admin.bindings', {}, context)).header['result'] as Binding[],
    browse: (queue, filter, context) => browseAll(client, queue, filter, context),
    redrive: (queue, ids, limit, context) => change<number>('admin.redrive', { queue, ids, limit }, context),
    purge: (queue, state, ids, context) => change<number>('admin.purge', { queue, state, ids }, context),
    cancel: (queue, ids, context) => change<PendingResult[]>('admin.cancel', { queue, ids }, context),
    reschedule: (queue, ids, delayMs, context) =>
      change<PendingResult[]>('admin.reschedule', { queue, ids, delayMs }, context),
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

/** The hub limits the size of each response. */
async function browseAll(
  client: HubClient,
  queue: string,
  filter: BrowseFilter,
  context: CallContext,
): Promise<BrowsePage> {
  const messages: BrowsedMessage[] = [];
  for (let { after } = filter; ; ) {
    const range = { queue, ...filter, limit: filter.limit - messages.length, after };
    const { header, bodies } = await client.repeat('admin.browse', range, context);
    const page = header['messages'] as readonly Header[];
    for (const [index, each] of page.entries()) messages.push(decodeBrowsed(each, bodies[index]));
    after = header['next'] as string | undefined;
    if (after === undefined || messages.length >= filter.limit) return { messages, next: after };
  }
}

function decodeBrowsed(header: Header, body: Uint8Array | undefined): BrowsedMessage {
  const each = header as unknown as BrowsedMessage;
  return {
    message: decodeMessage(header['message'] as Header, body),
    state: each.state,
    attempts: each.attempts,
    delayLeftMs: each.delayLeftMs,
    leaseLeftMs: each.leaseLeftMs,
    consumer: each.consumer,
    ttlLeftMs: each.ttlLeftMs,
    history: each.history.map((attempt) => ({ ...attempt, reason: attempt.reason, consumer: attempt.consumer })),
    dead: each.dead,
  };
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
