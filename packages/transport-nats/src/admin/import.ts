/** Imports records of an export. Existing data stays as it is. */

import type { ExportedMessage, Message, StateRecord } from '@busbar/api/transport';
import type { Lane } from '../connection/names.ts';
import { toDriverError } from '../errors.ts';
import type { StoredValue } from '../kv/kv-store.ts';
import { ttlHeader } from '../queues/dead-letters.ts';
import { type KnownIds, knownIds, noteIds } from '../queues/dedupe.ts';
import type { KnownQueue } from '../queues/queue-record.ts';
import { laneFor } from '../queues/send.ts';
import { type Envelope, encode } from '../queues/stored-message.ts';
import { eventId } from '../topics/publish.ts';
import type { AdminContext, ImportedQueue } from './admin-context.ts';
import { readWindows, windowsOf } from './id-windows.ts';

/** No id has a record. */
const NONE: KnownIds = { taken: new Set(), last: new Map() };

type Of<K extends StateRecord['kind']> = Extract<StateRecord, { kind: K }>;

export class Importer {
  readonly #context: AdminContext;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  /** One batch, in the order of the export; resolves with how many were new. */
  async import(records: readonly StateRecord[]): Promise<number> {
    const { imported = new Map<string, ImportedQueue>() } = this.#context;
    let added = 0;
    try {
      for (const run of runsOf(records)) added += await this.#run(run, imported);
    } catch (error) {
      // Some may not be stored.
      imported.clear();
      throw toDriverError(error);
    }
    return added;
  }

  /** Records of one kind are stored without waiting for each other. They keep their order. */
  async #run(run: readonly StateRecord[], imported: Map<string, ImportedQueue>): Promise<number> {
    switch (run[0]?.kind) {
      case 'revision':
        await this.#context.kv.raiseOffset(highestOf(run as Of<'revision'>[], ({ highest }) => highest));
        return 0;
      case 'kv':
        return this.#entries(run as Of<'kv'>[]);
      case 'event':
        return countOf((run as Of<'event'>[]).map((record) => this.#event(record)));
      case 'queue':
        return countOf((run as Of<'queue'>[]).map((record) => this.#queue(record)));
      case 'dedupe':
        return this.#ids(run as Of<'dedupe'>[], imported);
      case 'message':
        return this.#messages(run as Of<'message'>[], imported);
      case 'binding':
        return this.#bindings(run as Of<'binding'>[]);
      case undefined:
        return 0;
    }
  }

  async #entries(entries: readonly Of<'kv'>[]): Promise<number> {
    const { kv } = this.#context;
    await kv.raiseOffset(highestOf(entries, ({ revision }) => revision));
    const known = new Map((await kv.readAll(entries.map(({ key }) => key))).map((one) => [one.key, one]));
    return countOf(entries.map((entry) => this.#entry(entry, known.get(entry.key))));
  }

  async #entry(
    { key, valueBase64, revision, createRevision, ttlLeftMs }: Of<'kv'>,
    first: StoredValue | undefined,
  ): Promise<boolean> {
    const { kv } = this.#context;
    for (let known = first; ; known = await kv.read(key)) {
      if (known !== undefined && kv.isAlive(known)) return false;
      const expiresAt = ttlLeftMs === undefined ? undefined : Math.ceil(kv.clock.store.late + ttlLeftMs);
      const head = { revision, createRevision, expiresAt, ttlMs: ttlLeftMs };
      if (await kv.write(key, Buffer.from(valueBase64, 'base64'), head, known)) return true;
    }
  }

  async #event({ topic, message: exported }: Of<'event'>): Promise<boolean> {
    const { requests, names } = this.#context;
    const message = toMessage(exported);
    const { inc: _, past: __, ...envelope } = this.#envelope(exported, '');
    const id = eventId(this.#context.headers.present.incarnation, topic, message.id);
    const { data, headers } = encode({ ...message, topic: undefined }, envelope, id);
    return (await requests.publish(names.topic(topic), data, headers)).duplicate !== true;
  }

  async #queue({ name, settings, totals }: Of<'queue'>): Promise<boolean> {
    const { records, ledgers, clock } = this.#context;
    if ((await records.read(name)) !== undefined) return false;
    const first = { ...records.newRecord(name), settings, usedAt: clock.store.late };
    const queue = await records.change(name, (known) => known ?? first);
    if (queue?.record.inc !== first.inc) return false;
    const state = { floors: {}, totals, entries: [], settled: {} };
    await ledgers.append(name, { k: 'c', inc: first.inc, state });
    return true;
  }

  async #ids(ids: readonly Of<'dedupe'>[], imported: Map<string, ImportedQueue>): Promise<number> {
    const { records, clock } = this.#context;
    const [{ queue: name } = { queue: '' }] = ids;
    const own = ownOf(imported, name);
    const hadRecords = ((await records.fresh(name))?.record.idsUntil ?? 0) > clock.store.now;
    const until = clock.store.late + highestOf(ids, ({ leftMs }) => leftMs);
    const queue = await records.change(name, (known) => {
      const record = known ?? records.newRecord(name);
      return record.idsUntil >= until && known !== undefined
        ? undefined
        : { ...record, idsUntil: Math.max(until, record.idsUntil) };
    });
    if (queue === undefined) return 0;
    // No other process notes ids in a closed store.
    own.hasNoRecords ??= !hadRecords && this.#context.imported !== undefined;
    const wanted = new Map(ids.map(({ id, leftMs }) => [id, leftMs]));
    const known = own.hasNoRecords ? NONE : await knownIds(this.#context, queue, [...wanted.keys()]);
    return noteIds(this.#context, queue, wanted, known);
  }

  async #messages(messages: readonly Of<'message'>[], imported: Map<string, ImportedQueue>): Promise<number> {
    const { records, ledgers } = this.#context;
    const [{ queue: name } = { queue: '' }] = messages;
    const own = ownOf(imported, name);
    if (own.messages === undefined) await this.#read(name, own);
    const fresh = messages.flatMap(({ message }) => (isNew(own, message) ? { message, lane: laneOf(message) } : []));
    let queue = await records.ensure(name);
    for (const lane of new Set(fresh.map((each) => each.lane))) {
      if (lane !== 'dead') queue = await records.useLane(queue, lane);
    }
    let unsent = 0;
    const store = async ({ message, lane }: (typeof fresh)[number]): Promise<void> => {
      await this.#message(queue, message, lane);
      if (lane !== 'dead') unsent += 1;
    };
    const results = await Promise.allSettled(fresh.map(store));
    if (unsent > 0) await ledgers.append(name, { k: 'u', inc: queue.record.inc, unsent });
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return fresh.length;
  }

  async #message(
    { name, record: { inc, settings } }: KnownQueue,
    exported: ExportedMessage,
    lane: Lane,
  ): Promise<void> {
    const { requests, names } = this.#context;
    const { data, headers } = encode(toMessage(exported), this.#envelope(exported, inc));
    const keep = lane === 'dead' && Number.isFinite(settings.deadTtlMs) ? ttlHeader(settings.deadTtlMs) : {};
    await requests.publish(names.lane(name, lane), data, { ...headers, ...keep });
  }

  /** One after the other: the first of those that match an event copies it. */
  async #bindings(all: readonly Of<'binding'>[]): Promise<number> {
    const { records, bindings, cursors } = this.#context;
    let added = 0;
    for (const { queue, pattern } of all) {
      const known = await records.read(queue);
      if (known?.record.bindings.some((binding) => binding.pattern === pattern)) continue;
      await bindings.bind(queue, pattern, await cursors.resolve('new'));
      added += 1;
    }
    return added;
  }

  #envelope(exported: ExportedMessage, inc: string): Envelope {
    const { attempts, history, delayLeftMs, maxAttempts, dead } = exported;
    const { store } = this.#context.clock;
    const ttlLeftMs = exported.ttlLeftMs ?? exported.ttlMs;
    const ttlMs = exported.ttlMs ?? ttlLeftMs;
    return {
      inc,
      past: { attempts, history },
      ...(delayLeftMs ? { dueAt: Math.ceil(store.dueLate + delayLeftMs) } : {}),
      ...(ttlLeftMs === undefined || ttlLeftMs === null ? {} : { expiresAt: Math.ceil(store.late + ttlLeftMs), ttlMs }),
      ...(maxAttempts === undefined || maxAttempts === null ? {} : { maxAttempts }),
      ...(dead && { dead }),
    };
  }

  /** Reads what the queue holds. */
  async #read(name: string, own: ImportedQueue): Promise<void> {
    own.messages = new Map();
    const view = await this.#context.views.open(name);
    if (view === undefined) return;
    for (const { stored } of view.all) note(own.messages, stored.message);
    const windows = new Set(windowsOf(this.#context, view.stored).keys());
    for await (const page of readWindows(this.#context, view.queue)) for (const { id } of page) windows.add(id);
    own.windows = windows;
  }
}

/** Whether the queue has neither this message, nor within its window another one that was sent with its id. It is noted. */
function isNew({ messages = new Map(), windows }: ImportedQueue, { message }: ExportedMessage): boolean {
  const { id, topic, sentAt } = message;
  const known = [messages.get(originOf(message)) ?? []].flat();
  if (known.includes(sentAt) || (topic === undefined && known.length > 0 && windows?.has(id))) return false;
  note(messages, message);
  return true;
}

function note(messages: NonNullable<ImportedQueue['messages']>, message: ExportedMessage['message']): void {
  const origin = originOf(message);
  const known = messages.get(origin);
  messages.set(origin, known === undefined ? message.sentAt : [known, message.sentAt].flat());
}

/** Events of several topics can have one id. */
function originOf({ id, topic }: ExportedMessage['message']): string {
  return topic === undefined ? id : `${id}\n${topic}`;
}

function ownOf(imported: Map<string, ImportedQueue>, name: string): ImportedQueue {
  const own = imported.get(name) ?? {};
  imported.set(name, own);
  return own;
}

/** Runs of records of one kind that follow each other, those of queues of one queue. */
function runsOf(records: readonly StateRecord[]): StateRecord[][] {
  const runs: StateRecord[][] = [];
  let last: string | undefined;
  for (const record of records) {
    const kind = `${record.kind} ${'queue' in record ? record.queue : ''}`;
    if (kind !== last) runs.push([]);
    runs.at(-1)?.push(record);
    last = kind;
  }
  return runs;
}

function highestOf<T>(all: readonly T[], toNumber: (one: T) => number): number {
  return Math.max(...all.map(toNumber));
}

/** How many were new. */
async function countOf(all: readonly Promise<boolean>[]): Promise<number> {
  return (await Promise.all(all)).filter(Boolean).length;
}

function laneOf(exported: ExportedMessage): Lane {
  const delayMs = exported.delayLeftMs ?? 0;
  return exported.dead === undefined ? laneFor({ ...exported.message, delayMs }) : 'dead';
}

function toMessage({ message, bodyBase64 }: ExportedMessage): Message {
  return { ...message, body: new Uint8Array(Buffer.from(bodyBase64, 'base64')) };
}
