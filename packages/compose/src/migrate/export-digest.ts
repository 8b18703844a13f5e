/** A digest of an export, with which two stores are compared. */

import type { ExportedMessage, StateRecord, Transport } from '@busbar/api/transport';
import { Checksum, wordsOf } from './checksum.ts';
import type { RecordCounts } from './move.ts';
import { isPart, RecordCounter } from './record-counter.ts';

/** One part of a store: a queue, the events, the keys … */
interface Part {
  count: number;
  /** Over its records in any order. */
  readonly sum: Checksum;
  /**
   * Over what has an order. Of the messages of a queue, in the order of delivery: a checksum for each ordering key, and for the
   * others one for each state and priority. Of the events: one for each topic.
   */
  readonly lines: Map<string, Checksum>;
}

type Message = ExportedMessage['message'];

/** Durations go on while the source is open, and backends round them. */
const DURATIONS = ['leftMs', 'ttlLeftMs', 'delayLeftMs'];
/** The fields of a message that are compared. The types require each one. */
const FIELDS = keysOf<Omit<Message, 'headers'>>({
  ...{ id: 0, contentType: 0, type: 0, from: 0, to: 0, topic: 0, priority: 0, orderingKey: 0 },
  ...{ correlationId: 0, causationId: 0, hops: 0, replyTo: 0, sentAt: 0 },
});
/** Fields of its record, other than texts, durations and what has parts. */
const STATE_FIELDS = keysOf<Omit<ExportedMessage, 'message' | 'bodyBase64' | 'history' | 'dead' | Left>>({
  ...{ state: 0, attempts: 0, ttlMs: 0, maxAttempts: 0 },
});
type Left = 'delayLeftMs' | 'ttlLeftMs';

/** Records after which other work of the process has its turn, such as the renewal of a gate. A store may export without any pause. */
const TURN = 250;

/** All records of a store. */
export async function* exportOf({ admin }: Transport, signal: AbortSignal | undefined): AsyncGenerator<StateRecord> {
  let count = 0;
  for await (const record of admin.exportState({ signal })) {
    count += 1;
    if (count % TURN === 0) await new Promise(setImmediate);
    yield record;
  }
}

/** Takes the records of one export. */
export class ExportDigest {
  readonly #parts = new Map<string, Part>();
  #last: { readonly kind: string; readonly owner: string; readonly part: Part | undefined } = {
    ...{ kind: '', owner: '', part: undefined },
  };
  readonly #counter = new RecordCounter();

  get counts(): RecordCounts {
    return this.#counter.counts;
  }

  add(record: StateRecord): void {
    if (!isPart(record)) return;
    const part = this.#partOf(record);
    const words = wordsOf(textOf(record));
    part.count += 1;
    part.sum.add(words);
    this.#counter.add(record);
    const line = lineNameOf(record);
    if (line !== undefined) lineOf(part, line).append(words);
  }

  /** The parts in which `other` differs, each in words. */
  differences(other: ExportDigest): string[] {
    return namesOf(this.#parts, other.#parts).flatMap((name) => {
      const [one, two] = [this.#parts.get(name), other.#parts.get(name)];
      if (one === undefined || one.count !== two?.count) {
        return [`${name}: ${one?.count ?? 0} and ${two?.count ?? 0} records`];
      }
      return one.sum.equals(two.sum) ? orderDifferences(name, one, two) : [`${name}: different contents`];
    });
  }

  /** The part of a record. Most records belong to the part of the one before. */
  #partOf(record: StateRecord): Part {
    const { kind } = record;
    const owner = kind === 'message' || kind === 'dedupe' ? record.queue : '';
    if (this.#last.part !== undefined && this.#last.kind === kind && this.#last.owner === owner) return this.#last.part;
    const name = nameOf(record);
    const part = this.#parts.get(name) ?? { count: 0, sum: new Checksum(), lines: new Map<string, Checksum>() };
    this.#parts.set(name, part);
    this.#last = { kind, owner, part };
    return part;
  }
}

function nameOf(record: StateRecord): string {
  if (record.kind === 'message') return `messages of ${record.queue}`;
  if (record.kind === 'dedupe') return `ids of ${record.queue}`;
  return { queue: 'queues', binding: 'bindings', event: 'events', kv: 'keys', revision: 'revision' }[record.kind];
}

/** What is in an order with the record; undefined where the order does not count. */
function lineNameOf(record: StateRecord): string | undefined {
  if (record.kind === 'event') return `of topic ${record.topic}`;
  if (record.kind !== 'message') return undefined;
  const { state, message } = record.message;
  const { orderingKey, priority } = message;
  const isOrdered = orderingKey !== undefined && orderingKey !== null && state !== 'dead';
  return isOrdered ? `with ordering key ${orderingKey}` : `${state} with priority ${priority}`;
}

function lineOf({ lines }: Part, name: string): Checksum {
  const known = lines.get(name);
  if (known !== undefined) return known;
  const line = new Checksum();
  lines.set(name, line);
  return line;
}

/** The lines of two parts with the same records that are in another order. */
function orderDifferences(name: string, one: Part, two: Part): string[] {
  return namesOf(one.lines, two.lines).flatMap((line) => {
    const [first, second] = [one.lines.get(line), two.lines.get(line)];
    return first && second?.equals(first) ? [] : [`${name}, ${line}: another order`];
  });
}

function namesOf(one: ReadonlyMap<string, unknown>, two: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...one.keys(), ...two.keys()])].sort();
}

/** What is compared of a record, as text. */
function textOf(record: StateRecord): string {
  switch (record.kind) {
    case 'message':
      return textOfMessage(record.message);
    case 'event':
      return `${record.topic}\n${textOfMessage(record.message)}`;
    case 'dedupe':
      return record.id;
    default:
      return canonical(record);
  }
}

/** Most records are messages. A list of their fields takes a tenth of the time of {@link canonical}. */
function textOfMessage(exported: ExportedMessage): string {
  const { message, bodyBase64, history, dead, delayLeftMs, ttlLeftMs } = exported;
  const values: unknown[] = [isGiven(delayLeftMs), isGiven(ttlLeftMs)];
  for (const field of FIELDS) values.push(message[field]);
  for (const field of STATE_FIELDS) values.push(toJson(exported[field]));
  for (const name of Object.keys(message.headers).sort()) values.push(name, message.headers[name]);
  const past = history.length === 0 && !isGiven(dead) ? '' : canonical({ history, dead });
  return `${JSON.stringify(values)}${past}\n${bodyBase64}`;
}

/** JSON has no Infinity. */
function toJson(value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? 'Infinity' : value;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** The keys of `fields`, which has every key of `T`. */
function keysOf<T>(fields: Readonly<Record<keyof T, 0>>): (keyof T)[] {
  return Object.keys(fields) as (keyof T)[];
}

/** JSON with the keys of objects in order, and without what may differ. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  let text = '{';
  for (const [key, field] of Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))) {
    if (field === undefined || field === null) continue;
    text += `${JSON.stringify(key)}:${DURATIONS.includes(key) ? 'true' : canonical(field)},`;
  }
  return `${text}}`;
}
