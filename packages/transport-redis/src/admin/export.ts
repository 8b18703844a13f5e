/** Exports the whole state of a namespace, page by page. Changes made meanwhile may be missing. */

import { readAhead, toBase64, toExportedEvent, toExportedMessage } from '@busbar/api/driver';
import type { StateRecord } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { listEntries } from '../kv/entries.ts';
import { DEDUPE_IDS } from '../lua/inspect.ts';
import { parseRules, toMessage } from '../queues/stored-message.ts';
import type { Backfill } from '../topics/backfill.ts';
import type { BindingCache } from '../topics/bindings.ts';
import { readLog, readLogRange } from '../topics/event-log.ts';
import { findMessages } from './browse.ts';
import { ExportOrder } from './export-order.ts';
import { listQueueNames, readQueueInfo } from './inspect.ts';

const PAGE = 200;
const DEADLINE = Number.POSITIVE_INFINITY;

export async function* exportState(
  client: ReconnectingClient,
  bindings: BindingCache,
  backfill: Backfill,
  signal: AbortSignal,
): AsyncIterable<StateRecord> {
  for await (const page of readAhead(pages(client, bindings, backfill))) {
    signal.throwIfAborted();
    // The request of the next page is sent at the end of this turn, and the server works on it while the caller uses this page.
    await new Promise(setImmediate);
    yield* page;
  }
}

async function* pages(
  client: ReconnectingClient,
  bindings: BindingCache,
  backfill: Backfill,
): AsyncIterable<StateRecord[]> {
  for await (const name of queueNames(client)) {
    const [info] = await readQueueInfo(client, [name], DEADLINE);
    if (info === undefined) continue;
    yield [{ kind: 'queue', name, settings: info.settings, totals: info.totals }];
    await backfill.run(name);
    yield* messages(client, name);
    yield* dedupeIds(client, name);
  }
  yield (await bindings.all(DEADLINE)).map(({ queue, pattern }) => ({ kind: 'binding', queue, pattern }));
  yield* events(client);
  yield* entries(client);
}

async function* queueNames(client: ReconnectingClient): AsyncIterable<string> {
  let after: string | undefined;
  for (let isMore = true; isMore; ) {
    const names = await listQueueNames(client, '', { limit: PAGE, after }, DEADLINE);
    yield* names;
    after = names.at(-1) ?? after;
    isMore = names.length === PAGE;
  }
}

async function* messages(client: ReconnectingClient, queue: string): AsyncIterable<StateRecord[]> {
  const order = await ExportOrder.read(client, queue, DEADLINE);
  let [after, at]: [string | undefined, number | undefined] = [undefined, undefined];
  do {
    const filter = { state: undefined, ids: undefined, limit: PAGE, after };
    // Counted from the time of the first page, messages with one delay keep their order.
    const page = await findMessages(client, queue, filter, { deadline: DEADLINE, at });
    const found = await order.arrange(page);
    yield found.map(({ browsed, rules }) => ({ kind: 'message', queue, message: toExportedMessage(browsed, rules) }));
    ({ next: after, at } = page);
  } while (after !== undefined);
}

/** Ids within their dedupe window. An id that is kept only for its message is none of them. */
async function* dedupeIds(client: ReconnectingClient, queue: string): AsyncIterable<StateRecord[]> {
  for (let offset = 0; ; ) {
    const reply = await client.run(DEDUPE_IDS, [queue, offset], { deadline: DEADLINE, repeat: true });
    const [now, page] = reply as [Buffer, Buffer[]];
    const records: StateRecord[] = [];
    for (let index = 0; index + 1 < page.length; index += 2) {
      const id = String(page[index]);
      const leftMs = (Number(page[index + 1]) - Number(now)) / 1000;
      if (leftMs > 0) records.push({ kind: 'dedupe', queue, id, leftMs });
    }
    yield records;
    if (page.length === 0) return;
    offset += page.length / 2;
  }
}

async function* events(client: ReconnectingClient): AsyncIterable<StateRecord[]> {
  let { trimmed: after } = await readLogRange(client, DEADLINE);
  for (let isMore = true; isMore; ) {
    const page = await readLog(client, { after, max: PAGE }, DEADLINE);
    yield page.events.map(({ topic, key, envelope, body }) => {
      const message = { ...toMessage(key, envelope, body), topic };
      const { delayMs: delayLeftMs, ttlMs, maxAttempts } = parseRules(envelope);
      return { kind: 'event', topic, message: toExportedEvent(message, { delayLeftMs, ttlMs, maxAttempts }) };
    });
    after = page.reached;
    isMore = !page.isEnd;
  }
}

async function* entries(client: ReconnectingClient): AsyncIterable<StateRecord[]> {
  let after: string | undefined;
  for (let isMore = true; isMore; ) {
    const { entries: page, revision } = await listEntries(client, '', { limit: PAGE, after }, DEADLINE);
    yield page.map(({ value, ...rest }) => ({ kind: 'kv', ...rest, valueBase64: toBase64(value) }));
    after = page.at(-1)?.key ?? after;
    isMore = page.length === PAGE;
    if (!isMore) yield [{ kind: 'revision', highest: revision }];
  }
}
