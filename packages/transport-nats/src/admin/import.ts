/** Imports records of an export. Existing data stays as it is. */

import type { ExportedMessage, Message, StateRecord } from '@busbar/api/transport';
import { BATCH_RETRY_MS, BATCH_TRIES, batchesOf } from '../connection/batches.ts';
import type { Lane } from '../connection/names.ts';
import { pause } from '../connection/pause.ts';
import type { Publication } from '../connection/server-requests.ts';
import { isIncomplete, toDriverError } from '../errors.ts';
import type { StoredValue } from '../kv/kv-store.ts';
import { readAt, ttlHeader } from '../queues/dead-letters.ts';
import { knownIds, NONE, noteIds } from '../queues/dedupe.ts';
import type { Ledger } from '../queues/ledger.ts';
import type { KnownQueue } from '../queues/queue-record.ts';
import { laneFor } from '../queues/send.ts';
import { type Envelope, encode } from '../queues/stored-message.ts';
import { eventId } from '../topics/publish.ts';
import type { ImportContext } from './admin-context.ts';
import { readWindows, windowsOf } from './id-windows.ts';
import { type HeldMessage, ImportedQueue } from './imported-queue.ts';
import type { StoredInLane } from './queue-view.ts';

type Of<K extends StateRecord['kind']> = Extract<StateRecord, { kind: K }>;

export class Importer {
  readonly #context: ImportContext;

  constructor(context: ImportContext) {
    this.#context = context;
  }

  /** One batch, in the order of the export; resolves with how many were new. */
  async import(records: readonly StateRecord[]): Promise<number> {
    const { imported } = this.#context;
    let added = 0;
    try {
      for (const run of runsOf(records)) added += await this.#run(run);
    } catch (error) {
      // Some may not be stored.
      imported.clear();
      throw toDriverError(error);
    }
    return added;
  }

  /** Records of one kind are stored without waiting for each other. They keep their order. */
  async #run(run: readonly StateRecord[]): Promise<number> {
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
        return this.#ids(run as Of<'dedupe'>[]);
      case 'message':
        return this.#messages(run as Of<'message'>[]);
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

  async #ids(ids: readonly Of<'dedupe'>[]): Promise<number> {
    const { records, clock } = this.#context;
    const [{ queue: name } = { queue: '' }] = ids;
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
    const own = this.#ownOf(queue);
    own.hasNoRecords ??= !hadRecords && !this.#context.isOpen;
    const wanted = new Map(ids.map(({ id, leftMs }) => [id, leftMs]));
    const known = own.hasNoRecords ? NONE : await knownIds(this.#context, queue, [...wanted.keys()]);
    return noteIds(this.#context, queue, wanted, known);
  }

  async #messages(messages: readonly Of<'message'>[]): Promise<number> {
    const { records, ledgers } = this.#context;
    const [{ queue: name } = { queue: '' }] = messages;
    let queue = await records.ensure(name);
    const own = this.#ownOf(queue);
    if (own.upTo === undefined) await this.#read(queue, own);
    else if (this.#context.isOpen) await this.#readNew(queue, own);
    let reading: Promise<Ledger> | undefined;
    const ledger = (): Promise<Ledger> => (reading ??= ledgers.read(name, own.inc));
    const fresh: ImportedMessage[] = [];
    for (const { message: exported } of messages) {
      if (!(await this.#isNew(own, exported, { queue, ledger }))) continue;
      const { message } = exported;
      const held = { sentAt: message.sentAt, lane: laneOf(exported), seq: 0 };
      own.note(message, held);
      fresh.push({ exported, held });
    }
    for (const lane of new Set(fresh.map(({ held }) => held.lane))) {
      if (lane !== 'dead') queue = await records.useLane(queue, lane);
    }
    for (const batch of batchesOf(fresh.map((each) => ({ ...each, ...this.#toPublication(queue, each) })))) {
      await this.#store(queue, own, batch);
      const unsent = batch.filter(({ held }) => held.lane !== 'dead').length;
      if (unsent > 0) await ledgers.append(name, { k: 'u', inc: queue.record.inc, unsent });
    }
    return fresh.length;
  }

  /** Stores messages, all or none. If the connection is lost, it looks whether they are stored. */
  async #store(
    queue: KnownQueue,
    own: ImportedQueue,
    batch: readonly (ImportedMessage & Publication)[],
  ): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        const last = await this.#context.requests.publishAll(batch);
        setSequences(own, batch, last - batch.length + 1);
        return;
      } catch (error) {
        if (!isIncomplete(error) || tries === BATCH_TRIES) throw error;
        await pause(BATCH_RETRY_MS * tries);
        const first = error.isRepeated ? await this.#find(queue, own, batch) : undefined;
        if (first === undefined) continue;
        setSequences(own, batch, first);
        return;
      }
    }
  }

  /** The sequence of the first message of a batch; undefined if it is not stored. */
  async #find(
    queue: KnownQueue,
    { upTo = 0 }: ImportedQueue,
    [first]: readonly ImportedMessage[],
  ): Promise<number | undefined> {
    const { id, topic, sentAt } = first?.exported.message ?? {};
    for await (const page of this.#context.views.stored(queue, upTo + 1)) {
      const found = page.find(
        ({ stored: { message } }) => message.id === id && message.topic === topic && message.sentAt === sentAt,
      );
      if (found !== undefined) return found.stored.seq;
    }
    return undefined;
  }

  /** Whether the queue has neither this message, nor within its window another one that was sent with its id. */
  async #isNew(
    own: ImportedQueue,
    { message }: ExportedMessage,
    at: { readonly queue: KnownQueue; readonly ledger: () => Promise<Ledger> },
  ): Promise<boolean> {
    const { id, topic, sentAt } = message;
    const like: HeldMessage[] = [];
    for (const held of own.like(message)) {
      if (await this.#isHeld(held, at)) like.push(held);
      else own.forget(message, held);
    }
    if (like.some((held) => held.sentAt === sentAt)) return false;
    return topic !== undefined || like.length === 0 || !own.windows.has(id);
  }

  /** Whether the queue still holds a message. It may be settled or purged since it was read. */
  async #isHeld(
    { lane, seq }: HeldMessage,
    { queue, ledger }: { readonly queue: KnownQueue; readonly ledger: () => Promise<Ledger> },
  ): Promise<boolean> {
    if (seq === 0 || !this.#context.isOpen) return true;
    if (lane === 'dead') return (await readAt(this.#context, { queue: queue.name, lane, seq })) !== undefined;
    return !(await ledger()).isSettled(lane, seq);
  }

  #toPublication(
    { name, record: { inc, settings } }: KnownQueue,
    { exported, held: { lane } }: ImportedMessage,
  ): Publication {
    const { data, headers } = encode(toMessage(exported), this.#envelope(exported, inc));
    const keep = lane === 'dead' && Number.isFinite(settings.deadTtlMs) ? ttlHeader(settings.deadTtlMs) : {};
    return { subject: this.#context.names.lane(name, lane), data, headers: { ...headers, ...keep } };
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

  /** What imports know of this life of a queue. */
  #ownOf({ name, record: { inc } }: KnownQueue): ImportedQueue {
    const { imported } = this.#context;
    const known = imported.get(name);
    if (known?.inc === inc) return known;
    const own = new ImportedQueue(inc);
    imported.set(name, own);
    return own;
  }

  /** Reads what the queue holds. */
  async #read(queue: KnownQueue, own: ImportedQueue): Promise<void> {
    const view = await this.#context.views.view(queue);
    for (const { stored, lane } of view.all) note(own, { stored, lane });
    for (const id of windowsOf(this.#context, view.stored).keys()) own.windows.add(id);
    for await (const page of readWindows(this.#context, queue)) for (const { id } of page) own.windows.add(id);
    own.noteRead(view.stored.at(-1)?.stored.seq ?? 0);
  }

  /** Reads what others have sent since then. */
  async #readNew(queue: KnownQueue, own: ImportedQueue): Promise<void> {
    for await (const page of this.#context.views.stored(queue, (own.upTo ?? 0) + 1)) {
      for (const each of page) if (!own.isImport(each.stored.seq)) note(own, each);
      for (const id of windowsOf(this.#context, page).keys()) own.windows.add(id);
      for (const { stored } of page) own.noteRead(stored.seq);
    }
  }
}

function note(own: ImportedQueue, { stored: { message, seq }, lane }: StoredInLane): void {
  own.note(message, { sentAt: message.sentAt, lane, seq });
}

function setSequences(own: ImportedQueue, batch: readonly ImportedMessage[], first: number): void {
  for (const [index, { held }] of batch.entries()) held.seq = first + index;
  own.noteImport(first, first + batch.length - 1);
}

/** A message of an import. */
interface ImportedMessage {
  readonly exported: ExportedMessage;
  readonly held: HeldMessage;
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
