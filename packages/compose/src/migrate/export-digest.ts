/** A digest of an export, with which two stores are compared. */

import { hash } from 'node:crypto';
import type { StateRecord, Transport } from '@busbar/api/transport';
import { isOfMoves, type RecordCounts } from './move.ts';

/** One part of a store: a queue, the events, the keys … */
interface Part {
  count: number;
  /** The sum of the digests of its records, so that their order does not count. */
  sum: bigint;
  /** A digest over the ids in the order of delivery. */
  order: string;
}

/** Durations go on while the source is open, and backends round them. */
const DURATIONS = ['leftMs', 'ttlLeftMs', 'delayLeftMs'];
const BITS_128 = (1n << 128n) - 1n;

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
  #counts = { queues: 0, messages: 0, events: 0, keys: 0, bindings: 0, ids: 0 };
  bytes = 0;
  largestBody = 0;

  get counts(): RecordCounts {
    return this.#counts;
  }

  add(record: StateRecord): void {
    if (!isPart(record)) return;
    const part = this.#part(partOf(record));
    part.count += 1;
    part.sum = (part.sum + hashOf(record)) & BITS_128;
    this.#count(record);
    if (record.kind !== 'message') return;
    const line = this.#part(lineOf(record));
    line.count += 1;
    line.order = hash('sha256', `${line.order}\n${record.message.message.id}`, 'base64');
  }

  /** The parts in which `other` differs, each in words. */
  differences(other: ExportDigest): string[] {
    const names = new Set([...this.#parts.keys(), ...other.#parts.keys()]);
    return [...names].sort().flatMap((name) => {
      const [one, two] = [this.#parts.get(name), other.#parts.get(name)];
      if (one?.count !== two?.count) return [`${name}: ${one?.count ?? 0} and ${two?.count ?? 0} records`];
      if (one?.sum !== two?.sum) return [`${name}: different contents`];
      return one?.order === two?.order ? [] : [`${name}: another order`];
    });
  }

  #part(name: string): Part {
    let part = this.#parts.get(name);
    if (part === undefined) {
      part = { count: 0, sum: 0n, order: '' };
      this.#parts.set(name, part);
    }
    return part;
  }

  #count(record: StateRecord): void {
    const counts = this.#counts;
    if (record.kind === 'queue') counts.queues += 1;
    else if (record.kind === 'binding') counts.bindings += 1;
    else if (record.kind === 'dedupe') counts.ids += 1;
    else if (record.kind === 'kv') {
      counts.keys += 1;
      this.bytes += bytesOf(record.valueBase64);
    } else if (record.kind === 'message' || record.kind === 'event') {
      if (record.kind === 'event') counts.events += 1;
      else counts.messages += 1;
      const bytes = bytesOf(record.message.bodyBase64);
      this.bytes += bytes;
      this.largestBody = Math.max(this.largestBody, bytes);
    }
  }
}

/** Whether a record belongs to the bus and is the same in each store that holds it. The highest revision only rises. */
export function isPart(record: StateRecord): boolean {
  return record.kind !== 'revision' && !(record.kind === 'kv' && isOfMoves(record.key));
}

function partOf(record: StateRecord): string {
  if (record.kind === 'message') return `messages of ${record.queue}`;
  if (record.kind === 'dedupe') return `ids of ${record.queue}`;
  return { queue: 'queues', binding: 'bindings', event: 'events', kv: 'keys', revision: 'revision' }[record.kind];
}

/** Messages whose order counts: those of one ordering key, else those of one state and priority. */
function lineOf({ queue, message: { state, message } }: Extract<StateRecord, { kind: 'message' }>): string {
  const { orderingKey, priority } = message;
  if (orderingKey !== undefined && state !== 'dead') return `messages of ${queue} with ordering key ${orderingKey}`;
  return `messages of ${queue}, ${state} with priority ${priority}`;
}

function hashOf(record: StateRecord): bigint {
  return BigInt(`0x${hash('sha256', canonical(record)).slice(0, 32)}`);
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

/** How many bytes a base64 text stands for. */
export function bytesOf(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}
