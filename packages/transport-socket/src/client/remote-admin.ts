/** The operator's view of a hub's store. */

import type { AdminDriver, BrowseFilter, CallContext } from '@busbar/api/driver';
import type {
  Binding,
  BrowsedMessage,
  BrowsePage,
  PendingResult,
  QueueInfo,
  StateRecord,
  TopicInfo,
} from '@busbar/api/transport';
import type { Frame, Head } from '../wire/frame.ts';
import { readMessage } from '../wire/message-codec.ts';
import { readSettings } from '../wire/value-codec.ts';
import { batches } from './batches.ts';
import type { HubLine } from './hub-client.ts';
import { RemoteCursor } from './remote-cursor.ts';

const EXPORT_BATCH = 256;

/** The operator's view of a hub's store. */
export function remoteAdmin(line: HubLine): Required<AdminDriver> {
  const read = (op: string, head: object, { deadline }: CallContext): Promise<Frame> =>
    line.request({ op, head: head as Head, deadline, whenLost: 'repeat' });
  /** What tells how much it did cannot be done again. */
  const change = async <T>(op: string, head: Head, { deadline }: CallContext): Promise<T> => {
    const answer = await line.request({ op, head, deadline, whenLost: 'unknown' });
    return answer.head['result'] as T;
  };
  return {
    async queues(filter, context) {
      const { head } = await read('admin.queues', filter, context);
      return (head['result'] as QueueInfo[]).map((info) => ({ ...info, settings: readSettings(info.settings) }));
    },
    topics: async (page, context) => (await read('admin.topics', page, context)).head['result'] as TopicInfo[],
    bindings: async (context) => (await read('admin.bindings', {}, context)).head['result'] as Binding[],
    browse: (queue, filter, context) => browseAll(queue, filter, (head) => read('admin.browse', head, context)),
    redrive: (queue, ids, limit, context) => change<number>('admin.redrive', { queue, ids, limit }, context),
    purge: (queue, state, ids, context) => change<number>('admin.purge', { queue, state, ids }, context),
    cancel: (queue, ids, context) => change<PendingResult[]>('admin.cancel', { queue, ids }, context),
    reschedule: (queue, ids, delayMs, context) =>
      change<PendingResult[]>('admin.reschedule', { queue, ids, delayMs }, context),
    deleteQueue: (queue, context) => change<boolean>('admin.deleteQueue', { queue }, context),
    clear: (context) => change<undefined>('admin.clear', {}, context) as unknown as Promise<void>,
    exportState: (context) => exportState(line, context),
    async importState(records, context) {
      let added = 0;
      for (const batch of batches(records, (record) => Buffer.byteLength(JSON.stringify(record))))
        added += ((await read('admin.importState', { records: batch }, context)).head['result'] as number) ?? 0;
      return added;
    },
  };
}

/** The hub gives as many as it holds for one client at a time. */
async function browseAll(
  queue: string,
  filter: BrowseFilter,
  ask: (head: Head) => Promise<Frame>,
): Promise<BrowsePage> {
  const messages: BrowsedMessage[] = [];
  for (let { after } = filter; ; ) {
    const { head, bodies } = await ask({ queue, ...filter, limit: filter.limit - messages.length, after });
    const page = head['messages'] as readonly Head[];
    for (const [index, each] of page.entries()) messages.push(readBrowsed(each, bodies[index]));
    after = head['next'] as string | undefined;
    if (after === undefined || messages.length >= filter.limit) return { messages, next: after };
  }
}

function readBrowsed(head: Head, body: Uint8Array | undefined): BrowsedMessage {
  const each = head as unknown as BrowsedMessage;
  return {
    message: readMessage(head['message'] as Head, body),
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

async function* exportState(line: HubLine, context: CallContext): AsyncIterable<StateRecord> {
  const cursor = new RemoteCursor(line, { op: 'admin.exportState', head: () => ({}) });
  await cursor.open(context);
  try {
    for (;;) {
      const answer = await cursor.nextOnce(EXPORT_BATCH);
      for (const record of answer.head['records'] as readonly StateRecord[]) yield withInfinity(record);
      if (answer.head['end'] === true) return;
    }
  } finally {
    cursor.close();
  }
}

function withInfinity(record: StateRecord): StateRecord {
  return record.kind === 'queue' ? { ...record, settings: readSettings(record.settings) } : record;
}
