/** The whole state of a namespace as records, read page by page: what changes meanwhile may be in it or not. */

import { type ExportedMessage, type Message, newId, type StateRecord } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import { listEntries } from '../kv/kv.ts';
import { lexRange } from '../lua/lex-range.ts';
import { SCRIPTS } from '../lua/scripts.ts';
import { toMessage } from '../queues/stored-message.ts';
import type { Bindings } from '../topics/bindings.ts';
import { type Found, find } from './inspect.ts';
import { readInfo } from './queue-info.ts';

const PAGE = 200;
const DEADLINE = Number.POSITIVE_INFINITY;
const READ = { deadline: DEADLINE, repeat: true };

export async function* exportState(link: Link, bindings: Bindings, signal: AbortSignal): AsyncIterable<StateRecord> {
  for await (const page of pages(link, bindings)) {
    signal.throwIfAborted();
    yield* page;
  }
}

async function* pages(link: Link, bindings: Bindings): AsyncIterable<StateRecord[]> {
  for await (const name of queueNames(link)) {
    const [info] = await readInfo(link, [name], DEADLINE);
    if (info === undefined) continue;
    yield [{ kind: 'queue', name, settings: info.settings }];
    yield* messages(link, name);
    yield* dedupe(link, name);
  }
  yield (await bindings.all(DEADLINE)).map(({ queue, pattern }) => ({ kind: 'binding', queue, pattern }));
  yield* events(link);
  yield* entries(link);
}

async function* queueNames(link: Link): AsyncIterable<string> {
  let after: string | undefined;
  for (let isMore = true; isMore; ) {
    const names = ((await link.run(SCRIPTS.names, [...lexRange('', after), PAGE], READ)) as Buffer[]).map(String);
    yield* names;
    after = names.at(-1) ?? after;
    isMore = names.length === PAGE;
  }
}

async function* messages(link: Link, queue: string): AsyncIterable<StateRecord[]> {
  let after: string | undefined;
  do {
    const page = await find(link, queue, { state: undefined, ids: undefined, limit: PAGE, after }, DEADLINE);
    yield page.found.map((one) => ({ kind: 'message', queue, message: toExported(one) }));
    after = page.next;
  } while (after !== undefined);
}

function toExported({ browsed, maxAttempts }: Found): ExportedMessage {
  const { message, leaseLeftMs: _lease, consumer: _consumer, ...rest } = browsed;
  // A lease stays behind with its store; its attempt counts.
  const state = rest.state === 'leased' ? 'ready' : rest.state;
  return { ...rest, state, ...withoutBody(message), maxAttempts };
}

function withoutBody({ body, ...message }: Message): Pick<ExportedMessage, 'message' | 'bodyBase64'> {
  return { message, bodyBase64: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64') };
}

/** Ids that are only kept with their message are no memory of dedupe. Hashed ones cannot be told any more. */
async function* dedupe(link: Link, queue: string): AsyncIterable<StateRecord[]> {
  for (let offset = 0; ; ) {
    const [now, page] = (await link.run(SCRIPTS.knownIds, [queue, offset], READ)) as [Buffer, Buffer[]];
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

async function* events(link: Link): AsyncIterable<StateRecord[]> {
  const [, , trimmed] = (await link.run(SCRIPTS.place, [newId().replaceAll('-', '')], READ)) as Buffer[];
  let after = String(trimmed);
  for (let isMore = true; isMore; ) {
    const reply = (await link.run(SCRIPTS.read, [after, '+', '', '.', PAGE], READ)) as [number, Buffer, number];
    const [, upTo, isAll, ...found] = reply as [number, Buffer, number, ...Buffer[]];
    const records: StateRecord[] = [];
    for (let index = 0; index < found.length; index += 5) {
      const [, topic, key, head, body] = found.slice(index, index + 5) as [Buffer, Buffer, Buffer, Buffer, Buffer];
      const message = { ...toMessage(String(key), String(head), body), topic: String(topic) };
      records.push({ kind: 'event', topic: String(topic), message: { ...withoutBody(message), ...FRESH } });
    }
    yield records;
    after = String(upTo);
    isMore = isAll === 0;
  }
}

const FRESH = {
  state: 'ready',
  attempts: 0,
  delayLeftMs: undefined,
  ttlLeftMs: undefined,
  history: [],
  dead: undefined,
  maxAttempts: undefined,
} as const;

async function* entries(link: Link): AsyncIterable<StateRecord[]> {
  let after: string | undefined;
  for (let isMore = true; isMore; ) {
    const { entries: page, revision } = await listEntries(link, '', { limit: PAGE, after }, DEADLINE);
    yield page.map(({ value, ...rest }) => ({
      kind: 'kv',
      ...rest,
      valueBase64: Buffer.from(value).toString('base64'),
    }));
    after = page.at(-1)?.key ?? after;
    isMore = page.length === PAGE;
    if (!isMore) yield [{ kind: 'revision', highest: revision }];
  }
}
