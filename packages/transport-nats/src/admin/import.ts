/** Imports records of an export. Existing data stays as it is. */

import type { StateRecord } from '@busbar/api/transport';
import { toDriverError } from '../errors.ts';
import type { StoredValue } from '../kv/kv-store.ts';
import { knownIds, NONE, noteIds } from '../queues/dedupe.ts';
import { encode } from '../queues/stored-message.ts';
import { eventId } from '../topics/publish.ts';
import type { ImportContext } from './admin-context.ts';
import { MessageImporter, toEnvelope, toMessage } from './import-messages.ts';
import { importedOf } from './imported-queue.ts';

type Of<K extends StateRecord['kind']> = Extract<StateRecord, { kind: K }>;

export class Importer {
  readonly #context: ImportContext;
  readonly #messages: MessageImporter;

  constructor(context: ImportContext) {
    this.#context = context;
    this.#messages = new MessageImporter(context);
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
        return this.#messages.import(run as Of<'message'>[]);
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
    const { inc: _, past: __, ...envelope } = toEnvelope(this.#context, exported, '');
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
    const own = importedOf(this.#context.imported, queue);
    own.hasNoRecords ??= !hadRecords && !this.#context.isOpen;
    const wanted = new Map(ids.map(({ id, leftMs }) => [id, leftMs]));
    const known = own.hasNoRecords ? NONE : await knownIds(this.#context, queue, [...wanted.keys()]);
    return noteIds(this.#context, queue, wanted, known);
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
