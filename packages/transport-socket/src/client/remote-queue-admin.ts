/** Admin operations on the queues of a hub's store that also agents may do: inspecting, and changing messages that wait. */

import type { AdminDriver, BrowseFilter, CallContext } from '@busbar/api/driver';
import type { BrowsedMessage, BrowsePage, PendingResult, QueueInfo } from '@busbar/api/transport';
import { decodeMessage, type Header } from '@busbar/wire';
import { decodeSettings } from '../wire/value-codec.ts';
import type { HubClient } from './hub-client.ts';

export function remoteQueueAdmin(
  client: HubClient,
): Required<Pick<AdminDriver, 'queues' | 'browse' | 'cancel' | 'reschedule'>> {
  return {
    async queues(filter, context) {
      const { header } = await client.repeat('admin.queues', { ...filter }, context);
      return (header['result'] as QueueInfo[]).map((info) => ({ ...info, settings: decodeSettings(info.settings) }));
    },
    browse: (queue, filter, context) => browseAll(client, queue, filter, context),
    cancel: (queue, ids, context) => changeOnce<PendingResult[]>(client, 'admin.cancel', { queue, ids }, context),
    reschedule: (queue, ids, delayMs, context) =>
      changeOnce<PendingResult[]>(client, 'admin.reschedule', { queue, ids, delayMs }, context),
  };
}

/** A change whose result counts what it did, so a repetition would return a wrong one. */
export async function changeOnce<T>(
  client: HubClient,
  op: string,
  header: Header,
  { deadline }: CallContext,
): Promise<T> {
  const response = await client.request({ op, header, deadline, whenLost: 'unknown' });
  return response.header['result'] as T;
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
