/** Admin operations. */

import { BatchSize } from '@busbar/api/driver';
import {
  type Admin,
  type BrowsedMessage,
  type BrowseOptions,
  type CallOptions,
  checkInteger,
  type GateState,
  type PurgeOptions,
  type SetGateOptions,
  type StateRecord,
} from '@busbar/api/transport';
import { encodeMessage, type Header, sizeOfMessage } from '@busbar/wire';
import { BATCH_BYTES } from '../../wire/protocol.ts';
import { decodeRecord } from '../../wire/value-codec.ts';
import { authorizeSender } from '../access-tokens.ts';
import { showsOnlyOwn } from '../rights/agent-rights.ts';
import { arrayOf, optionsOf } from './arguments.ts';
import { type HubResponse, RecordFeed } from './cursors.ts';
import type { HubOperation, HubRequest } from './operation.ts';

const DEFAULT_LIMIT = 100;
/** A page of 1,000 queues, or a result for each of 1,000 ids. */
const RESULT_BYTES = BATCH_BYTES / 2;

export const adminOperations: Readonly<Record<string, HubOperation>> = {
  'admin.queues': resultOf(['names', 'prefix', 'limit', 'after'], (admin, _, options) => admin.queues(options)),
  'admin.topics': resultOf(['limit', 'after'], (admin, _, options) => admin.topics(options)),
  'admin.bindings': resultOf([], (admin, _, options) => admin.bindings(options)),
  'admin.browse': (request) => request.client.answers.run(BATCH_BYTES, () => browse(request)),
  'admin.redrive': resultOf(['ids', 'limit'], (admin, { queue }, options) => admin.redrive(queue, options)),
  'admin.purge': resultOf(['ids', 'state'], (admin, { queue }, options) => admin.purge(queue, options as PurgeOptions)),
  'admin.cancel': resultOf([], (admin, { queue, ids }, options) => admin.cancel(queue, ids, options)),
  'admin.reschedule': resultOf([], (admin, { queue, ids, delayMs }, options) =>
    admin.reschedule(queue, ids, delayMs, options),
  ),
  'admin.deleteQueue': resultOf([], (admin, { queue }, options) => admin.deleteQueue(queue, options)),
  'admin.clear': resultOf(['gateRevision'], (admin, _, options) => admin.clear(options)),
  'admin.exportState': ({ id, client: { cursors, answers, store } }) =>
    cursors.open(id, new RecordFeed(store.admin.exportState(), answers), answers, async () => undefined),
  'admin.gate': resultOf([], (admin, _, options) => admin.gate(options)),
  'admin.setGate': resultOf(['ifRevision', 'movedTo', 'ttlMs'], (admin, { state }, options) =>
    admin.setGate(state, options as SetGateOptions),
  ),
  async 'admin.importState'(request) {
    const records = arrayOf<StateRecord>(request.header['records'], 'records').map(decodeRecord);
    for (const record of records) checkSenderOf(record, request.client.agent);
    return resultOf(['gateRevision'], (admin, _, options) => admin.importState(records, options))(request);
  },
};

/** The header of a request, which the store validates. */
interface AdminHeader {
  readonly queue: string;
  readonly ids: readonly string[];
  readonly delayMs: number;
  readonly state: GateState;
}

/** A client that acts for one agent imports no message of another. */
function checkSenderOf(record: StateRecord, agent: string | undefined): void {
  if (agent === undefined || (record?.kind !== 'message' && record?.kind !== 'event')) return;
  authorizeSender({ from: record.message?.message?.from }, agent);
}

/** An operation that responds with the result of `run`. Its options are `timeoutMs` and those of `keys`. */
function resultOf(
  keys: readonly string[],
  run: (admin: Admin, header: AdminHeader, options: CallOptions) => Promise<unknown>,
): HubOperation {
  return async ({ header, client }) => {
    const read = () => run(client.store.admin, header as unknown as AdminHeader, optionsOf(header, keys));
    return { header: { result: await client.answers.run(RESULT_BYTES, read) } };
  };
}

/** Reads in steps until the response is large enough. Each step is as large as the messages so far allow. */
async function browse({ header, client }: HubRequest): Promise<HubResponse> {
  const { queue, limit = DEFAULT_LIMIT } = header as { queue: string; limit?: number };
  checkInteger(limit, 'limit', { min: 1, max: 1000 });
  const filter: BrowseOptions = optionsOf(header, ['state', 'ids', 'after']);
  const { limit: agentLimit } = client;
  const isVisible = ({ message }: BrowsedMessage): boolean =>
    agentLimit === undefined || !showsOnlyOwn(queue, agentLimit.agent) || message.from === agentLimit.agent;
  const messages: BrowsedMessage[] = [];
  let bytes = 0;
  const size = new BatchSize({ max: limit, maxBytes: BATCH_BYTES, maxItemBytes: client.maxBodyBytes });
  for (let after = filter.after; ; ) {
    const page = await client.store.admin.browse(queue, {
      ...filter,
      limit: Math.min(size.count, limit - messages.length),
      ...(after !== undefined && { after }),
    });
    messages.push(...page.messages.filter(isVisible));
    const pageBytes = page.messages.reduce((sum, each) => sum + sizeOf(each), 0);
    bytes += pageBytes;
    size.record(page.messages.length, pageBytes);
    after = page.next;
    if (after === undefined || messages.length >= limit || bytes >= BATCH_BYTES) return encodePage(messages, after);
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
