/** The whole state as pieces, and back: who opens later reads them instead of all that ever was. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { QueueSettings } from '@busbar/api/transport';
import { fromJsonSettings, Reader, Writer } from '../codec.ts';
import { FORM, tooNew } from '../record.ts';
import type { Setting } from './agenda.ts';
import type { Bound } from './bindings.ts';
import type { KnownId } from './dedupe-memory.ts';
import type { Segment } from './history.ts';
import type { Item } from './item.ts';
import type { Namespace } from './namespace.ts';
import type { Queue } from './queue.ts';

interface ItemPart extends Pick<Item, 'place' | 'state' | 'readySince' | 'attempts' | 'history' | 'lease' | 'dead'> {
  readonly isExpired: boolean;
  readonly due: Setting | undefined;
  readonly ttl: Setting | undefined;
  readonly isNamed: boolean;
}

type Part =
  | {
      readonly part: 'clock';
      readonly now: number;
      readonly shift: number;
      readonly order: number;
      readonly counter: number;
    }
  | {
      readonly part: 'authors';
      readonly all: readonly (readonly [string, { readonly last: number; readonly at: number }])[];
    }
  | {
      readonly part: 'queue';
      readonly name: string;
      readonly settings: Required<QueueSettings>;
      readonly totals: Queue['totals'];
      readonly idle: Setting | undefined;
    }
  | { readonly part: 'item'; readonly queue: string; readonly message: unknown; readonly item: ItemPart }
  | { readonly part: 'ids'; readonly queue: string; readonly ids: readonly KnownId<true>[] }
  | { readonly part: 'bound'; readonly bound: Bound }
  | { readonly part: 'revision'; readonly revision: number }
  | {
      readonly part: 'entry';
      readonly key: string;
      readonly value: number;
      readonly revision: number;
      readonly createRevision: number;
      readonly end: Setting | undefined;
    }
  | { readonly part: 'history'; readonly last: number; readonly trimmed: number; readonly ageing: Setting | undefined }
  | { readonly part: 'segments'; readonly segments: readonly Segment[] }
  | { readonly part: 'events'; readonly ids: readonly KnownId<number>[] };

const PIECE_BYTES = 262_144;
const MANY = 1_000;

/** The state in pieces of some 256 KiB, or as large as one message. */
export function takeSnapshot(namespace: Namespace): Buffer[] {
  const pieces: Buffer[] = [];
  let writer = new Writer();
  let parts: unknown[] = [];
  let size = 0;
  const finish = (): void => {
    pieces.push(writer.finish({ v: FORM, parts }));
    writer = new Writer();
    parts = [];
    size = 0;
  };
  for (const [make, bytes] of partsOf(namespace)) {
    if (size > 0 && size + bytes > PIECE_BYTES) finish();
    parts.push(make(writer));
    size += bytes;
  }
  finish();
  return pieces;
}

/** Roughly what {@link takeSnapshot} would take. */
export function sizeOfSnapshot(namespace: Namespace): number {
  let size = 0;
  for (const [, bytes] of partsOf(namespace)) size += bytes;
  return size;
}

/** Makes of an empty `namespace` what was taken. */
export function loadSnapshot(namespace: Namespace, pieces: readonly Uint8Array[]): void {
  for (const piece of pieces) {
    const reader = new Reader(piece);
    const { v, parts } = reader.line as { v: number; parts: Part[] };
    if (v !== FORM) throw tooNew(v);
    for (const part of parts) loadPart(namespace, part, reader);
  }
}

/** Each part as what writes it, and about how large it is. */
function* partsOf(namespace: Namespace): Iterable<readonly [make: (writer: Writer) => unknown, bytes: number]> {
  const { agenda, authors, bindings, counter, entries, history, queues } = namespace;
  const part = (one: Part, bytes: number): readonly [() => Part, number] => [() => one, bytes];
  yield part({ part: 'clock', now: agenda.now, shift: agenda.shift, order: agenda.order, counter }, 100);
  for (const all of chunks(authors)) yield part({ part: 'authors', all }, all.length * 60);
  for (const queue of queues.values()) {
    const { name, settings, totals, idle } = queue;
    yield part({ part: 'queue', name, settings, totals, idle: idle.setting }, 500);
    for (const ids of chunks(queue.dedupe.entries())) yield part({ part: 'ids', queue: name, ids }, ids.length * 64);
    for (const item of [...queue.live, ...queue.dead]) yield itemPart(queue, item);
  }
  for (const patterns of bindings.queues.values()) {
    for (const bound of patterns.values()) yield part({ part: 'bound', bound }, 300);
  }
  yield part({ part: 'revision', revision: entries.revision }, 50);
  for (const { value, end, ...row } of entries.rows.values()) {
    yield [
      (writer) => ({ part: 'entry', ...row, value: writer.bytes(value), end: end.setting }),
      200 + value.byteLength,
    ];
  }
  const { last, trimmed, ageing } = history;
  yield part({ part: 'history', last, trimmed, ageing: ageing.setting }, 100);
  for (const segments of chunks(history.segments)) yield part({ part: 'segments', segments }, segments.length * 120);
  for (const ids of chunks(history.dedupe.entries())) yield part({ part: 'events', ids }, ids.length * 100);
}

function itemPart(queue: Queue, item: Item): readonly [make: (writer: Writer) => unknown, bytes: number] {
  const { message, place, state, readySince, attempts, history, lease, dead, isExpired, due, ttl } = item;
  const past = { place, state, readySince, attempts, history, lease, dead, isExpired };
  const times = { due: due.setting, ttl: ttl?.setting, isNamed: queue.find(message.id) === item };
  const make = (writer: Writer): unknown => ({
    part: 'item',
    queue: queue.name,
    message: writer.message(message),
    item: { ...past, ...times },
  });
  return [make, 600 + message.body.byteLength + history.length * 4_096];
}

function loadPart(namespace: Namespace, part: Part, reader: Reader): void {
  const { agenda, entries, history } = namespace;
  switch (part.part) {
    case 'clock':
      agenda.now = part.now;
      agenda.shift = part.shift;
      agenda.order = part.order;
      namespace.counter = part.counter;
      break;
    case 'authors':
      for (const [author, known] of part.all) namespace.authors.set(author, known);
      break;
    case 'queue': {
      const queue = namespace.queue(part.name);
      queue.settings = fromJsonSettings(part.settings);
      Object.assign(queue.totals, part.totals);
      agenda.restore(queue.idle, part.idle);
      break;
    }
    case 'ids':
      for (const id of part.ids) namespace.queue(part.queue).dedupe.restore(id);
      break;
    case 'item':
      loadItem(namespace, part.queue, reader.message(part.message as never), part.item);
      break;
    case 'bound':
      namespace.bindings.add({ ...part.bound, fed: part.bound.fed });
      break;
    case 'revision':
      entries.revision = part.revision;
      break;
    case 'entry': {
      const { key, revision, createRevision, end } = part;
      agenda.restore(entries.set({ key, revision, createRevision, value: reader.bytes(part.value) }).end, end);
      break;
    }
    case 'history':
      history.last = part.last;
      history.trimmed = part.trimmed;
      agenda.restore(history.ageing, part.ageing);
      break;
    case 'segments':
      for (const segment of part.segments) history.keep(segment);
      break;
    case 'events':
      for (const id of part.ids) history.dedupe.restore(id);
  }
}

function loadItem(
  { agenda, queue: queueOf, queues }: Namespace,
  name: string,
  message: PreparedMessage,
  part: ItemPart,
): void {
  const queue = queues.get(name);
  if (queue === undefined)
    throw new TypeError(`a snapshot has a message of ${name} before the queue`, { cause: queueOf });
  const { due, ttl, isNamed, ...past } = part;
  const item = queue.admit(message, part.place);
  Object.assign(item, past);
  agenda.restore(item.due, due);
  if (item.ttl !== undefined) agenda.restore(item.ttl, ttl);
  queue.settleIn(item, isNamed);
}

/** What `all` has, a thousand at a time. */
function* chunks<T>(all: Iterable<T>): Iterable<T[]> {
  let chunk: T[] = [];
  for (const one of all) {
    chunk.push(one);
    if (chunk.length < MANY) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
