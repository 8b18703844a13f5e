/** Admin operations. */

import {
  type BrowsedMessage,
  type BrowseOptions,
  checkInteger,
  type PurgeOptions,
  type StateRecord,
} from '@busbar/api/transport';
import type { Header } from '../../wire/frame.ts';
import { encodeMessage, sizeOfMessage } from '../../wire/message-codec.ts';
import { BATCH_BYTES } from '../../wire/protocol.ts';
import { decodeRecord } from '../../wire/value-codec.ts';
import { arrayOf, optionsOf } from './arguments.ts';
import { type HubResponse, RecordFeed } from './cursors.ts';
import type { HubOperation, HubRequest } from './operation.ts';

/** Messages that the first step of a browse reads. */
const FIRST_STEP = 4;
const DEFAULT_LIMIT = 100;

export const adminOperations: Readonly<Record<string, HubOperation>> = {
  async 'admin.queues'({ header, client }) {
    const options = optionsOf(header, ['names', 'prefix', 'limit', 'after']);
    return { header: { result: await client.store.admin.queues(options) } };
  },
  async 'admin.topics'({ header, client }) {
    return { header: { result: await client.store.admin.topics(optionsOf(header, ['limit', 'after'])) } };
  },
  async 'admin.bindings'({ header, client }) {
    return { header: { result: await client.store.admin.bindings(optionsOf(header)) } };
  },
  'admin.browse': browse,
  async 'admin.redrive'({ header, client }) {
    const options = optionsOf(header, ['ids', 'limit']);
    return { header: { result: await client.store.admin.redrive(header['queue'] as string, options) } };
  },
  async 'admin.purge'({ header, client }) {
    const options = optionsOf(header, ['ids', 'state']) as PurgeOptions;
    return { header: { result: await client.store.admin.purge(header['queue'] as string, options) } };
  },
  async 'admin.cancel'({ header, client }) {
    const { queue, ids } = header as { queue: string; ids: string[] };
    return { header: { result: await client.store.admin.cancel(queue, ids, optionsOf(header)) } };
  },
  async 'admin.reschedule'({ header, client }) {
    const { queue, ids, delayMs } = header as { queue: string; ids: string[]; delayMs: number };
    return { header: { result: await client.store.admin.reschedule(queue, ids, delayMs, optionsOf(header)) } };
  },
  async 'admin.deleteQueue'({ header, client }) {
    return { header: { result: await client.store.admin.deleteQueue(header['queue'] as string, optionsOf(header)) } };
  },
  async 'admin.clear'({ header, client }) {
    await client.store.admin.clear(optionsOf(header));
    return {};
  },
  async 'admin.exportState'({ id, client }) {
    client.cursors.assertRoom();
    client.cursors.add(id, new RecordFeed(client.store.admin.exportState()));
    return { header: { cursor: id } };
  },
  async 'admin.importState'({ header, client }) {
    const records = arrayOf<StateRecord>(header['records'], 'records').map(decodeRecord);
    return { header: { result: await client.store.admin.importState(records, optionsOf(header)) } };
  },
};

/** Reads in steps until the response is large enough. Each step is as large as the messages so far allow. */
async function browse({ header, client }: HubRequest): Promise<HubResponse> {
  const { queue, limit = DEFAULT_LIMIT } = header as { queue: string; limit?: number };
  checkInteger(limit, 'limit', { min: 1, max: 1000 });
  const filter: BrowseOptions = optionsOf(header, ['state', 'ids', 'after']);
  const messages: BrowsedMessage[] = [];
  let bytes = 0;
  let step = FIRST_STEP;
  for (let after = filter.after; ; ) {
    const page = await client.store.admin.browse(queue, {
      ...filter,
      limit: Math.min(step, limit - messages.length),
      ...(after !== undefined && { after }),
    });
    messages.push(...page.messages);
    for (const each of page.messages) bytes += sizeOf(each);
    after = page.next;
    if (after === undefined || messages.length >= limit || bytes >= BATCH_BYTES) return encodePage(messages, after);
    step = Math.max(1, Math.floor((BATCH_BYTES - bytes) / (bytes / messages.length)));
  }
}

/** A dead letter may have twenty reasons of 4 KiB. */
function sizeOf({ message, history }: BrowsedMessage): number {
  return sizeOfMessage(message) + history.reduce((sum, { reason }) => sum + (reason?.length ?? 0) + 128, 0);
}

function encodePage(messages: readonly BrowsedMessage[], next: string | undefined): HubResponse {
  const headers = messages.map((each): Header => ({ ...each, message: encodeMessage(each.message) }));
  return { header: { messages: headers, next }, bodies: messages.map(({ message }) => message.body) };
}
