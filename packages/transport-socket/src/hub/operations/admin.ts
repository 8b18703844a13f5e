/** What clients may ask as operators. */

import { type BrowsedMessage, type BrowseOptions, checkInteger, type StateRecord } from '@busbar/api/transport';
import type { Head } from '../../wire/frame.ts';
import { toMessageHead } from '../../wire/message-codec.ts';
import { sizeOfMessage } from '../../wire/message-size.ts';
import { BATCH_BYTES } from '../../wire/protocol.ts';
import { readSettings } from '../../wire/value-codec.ts';
import { bounds, listOf, pick } from './arguments.ts';
import { RecordFeed } from './cursors.ts';
import type { Operation, Reply, Request } from './operation.ts';

const FIRST_STEP = 4;

export const adminOperations: Readonly<Record<string, Operation>> = {
  async 'admin.queues'({ head, client }) {
    const options = { ...bounds(head), ...pick(head, ['names', 'prefix', 'limit', 'after']) };
    return { head: { result: await client.store.admin.queues(options) } };
  },
  async 'admin.topics'({ head, client }) {
    return {
      head: { result: await client.store.admin.topics({ ...bounds(head), ...pick(head, ['limit', 'after']) }) },
    };
  },
  async 'admin.bindings'({ head, client }) {
    return { head: { result: await client.store.admin.bindings(bounds(head)) } };
  },
  'admin.browse': browse,
  async 'admin.redrive'({ head, client }) {
    const options = { ...bounds(head), ...pick(head, ['ids', 'limit']) };
    return { head: { result: await client.store.admin.redrive(head['queue'] as string, options) } };
  },
  async 'admin.purge'({ head, client }) {
    const options = { ...bounds(head), ...pick(head, ['ids', 'state']) };
    return { head: { result: await client.store.admin.purge(head['queue'] as string, options) } };
  },
  async 'admin.cancel'({ head, client }) {
    const { queue, ids } = head as { queue: string; ids: string[] };
    return { head: { result: await client.store.admin.cancel(queue, ids, bounds(head)) } };
  },
  async 'admin.reschedule'({ head, client }) {
    const { queue, ids, delayMs } = head as { queue: string; ids: string[]; delayMs: number };
    return { head: { result: await client.store.admin.reschedule(queue, ids, delayMs, bounds(head)) } };
  },
  async 'admin.deleteQueue'({ head, client }) {
    return { head: { result: await client.store.admin.deleteQueue(head['queue'] as string, bounds(head)) } };
  },
  async 'admin.clear'({ head, client }) {
    await client.store.admin.clear(bounds(head));
    return {};
  },
  async 'admin.exportState'({ id, client }) {
    client.cursors.assertRoom();
    client.cursors.add(id, new RecordFeed(client.store.admin.exportState()));
    return { head: { cursor: id } };
  },
  async 'admin.importState'({ head, client }) {
    const records = listOf<StateRecord>(head['records'], 'records').map(withInfinity);
    return { head: { result: await client.store.admin.importState(records, bounds(head)) } };
  },
};

/** A page may hold what one answer holds: the next step is as large as the messages so far allow. */
async function browse({ head, client }: Request): Promise<Reply> {
  const { queue, limit = 100 } = head as { queue: string; limit?: number };
  checkInteger(limit, 'limit', { min: 1, max: 1000 });
  const filter: BrowseOptions = { ...bounds(head), ...pick(head, ['state', 'ids', 'after']) };
  const messages: BrowsedMessage[] = [];
  let bytes = 0;
  let step = FIRST_STEP;
  for (let after = filter.after; ; ) {
    const most = Math.min(step, limit - messages.length);
    const page = await client.store.admin.browse(queue, {
      ...filter,
      limit: most,
      ...(after === undefined ? {} : { after }),
    });
    messages.push(...page.messages);
    for (const each of page.messages) bytes += sizeOf(each);
    after = page.next;
    if (after === undefined || messages.length >= limit || bytes >= BATCH_BYTES) return toPage(messages, after);
    step = Math.max(1, Math.floor((BATCH_BYTES - bytes) / (bytes / messages.length)));
  }
}

/** A dead letter may have twenty reasons of 4 KiB. */
function sizeOf({ message, history }: BrowsedMessage): number {
  return sizeOfMessage(message) + history.reduce((sum, { reason }) => sum + (reason?.length ?? 0) + 128, 0);
}

function toPage(messages: readonly BrowsedMessage[], next: string | undefined): Reply {
  const heads = messages.map((each): Head => ({ ...each, message: toMessageHead(each.message) }));
  return { head: { messages: heads, next }, bodies: messages.map(({ message }) => message.body) };
}

function withInfinity(record: StateRecord): StateRecord {
  const isQueue = typeof record === 'object' && record?.kind === 'queue' && typeof record.settings === 'object';
  return isQueue ? { ...record, settings: readSettings(record.settings) } : record;
}
