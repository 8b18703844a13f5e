/** Compacts the ledger of a queue, and deletes messages that are settled and older than the memory of ids. */

import { sequenceOf } from '../connection/message-headers.ts';
import type { Lane } from '../connection/names.ts';
import { DEDUPE_MS } from '../connection/streams.ts';
import { ignoreRefusal } from '../errors.ts';
import type { Ledger, LedgerState } from '../queues/ledger.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import type { KnownQueue } from '../queues/queue-record.ts';
import { countOf, forEachOf, type Runs, subtract } from '../queues/runs.ts';
import { type Floors, rescue, settledFloors } from './rescuer.ts';

/** Another process that compacted it so lately did it for all. */
const RECENT_MS = 8_000;
const MARGIN_MS = 5_000;
/** How many messages above a floor that stands still are deleted one by one in one round, and at a time. */
const MAX_SINGLE = 250_000;
const DELETES_AT_ONCE = 500;
const MAX_BYTES = 500_000;
const MAX_WRITES = 20;

export class Compactor {
  readonly #shared: QueueContext;

  constructor(shared: QueueContext) {
    this.#shared = shared;
  }

  /** One round. Another process compacts the queue if it did so lately. Resolves with whether the next round is due soon. */
  async compact(name: string): Promise<boolean> {
    const { records, ledgers, consumers, names } = this.#shared;
    const queue = await records.read(name);
    if (queue === undefined || (await this.#isRecent(queue))) return false;
    const old = await this.#oldest(queue);
    const lanes: Lane[] = ['normal', ...queue.record.lanes];
    const reached: Floors = {};
    for (const lane of lanes) reached[lane] = (await consumers.progress(queue, lane)).floor;
    // The ledger comes second: a consumer gets an ack after the ledger got its record.
    const ledger = await ledgers.read(name, queue.record.inc);
    const isSoon = await rescue(this.#shared, queue, ledger, reached);
    for (const lane of lanes) reached[lane] = Math.max(ledger.floors[lane] ?? 0, reached[lane] ?? 0);
    const deleted = await this.#deleteSingle(ledger, settledFloors(ledger, reached), old);
    const floors = await this.#write(queue, ledger, reached, deleted);
    if (floors !== undefined) {
      await Promise.all(
        lanes.map((lane) => this.#purge(names.queues, names.lane(name, lane), Math.min((floors[lane] ?? 0) + 1, old))),
      );
    }
    return isSoon;
  }

  async #isRecent(queue: KnownQueue): Promise<boolean> {
    const { requests, names, clock } = this.#shared;
    const request = { seq: 1, next_by_subj: names.records(queue.name), batch: 1 };
    const [first] = (await requests.reader.get(names.ledger, request)).messages;
    if (first === undefined) return true;
    const isSnapshot = first.string().startsWith('{"k":"c"');
    return isSnapshot && clock.now - Date.parse(first.headers?.get('Nats-Time-Stamp') ?? '') < RECENT_MS;
  }

  /** The first sequence of the stream that the memory of ids still needs. */
  async #oldest(queue: KnownQueue): Promise<number> {
    const { requests, names, clock } = this.#shared;
    const start = new Date(clock.now - DEDUPE_MS - MARGIN_MS).toISOString();
    const request = { start_time: start, next_by_subj: names.lane(queue.name, '*'), batch: 1 };
    const [first] = (await requests.reader.get(names.queues, request)).messages;
    return first === undefined ? Number.MAX_SAFE_INTEGER : sequenceOf(first);
  }

  /** A long lease holds a floor. Old settled messages above it are deleted one by one. Resolves with them. */
  async #deleteSingle(ledger: Ledger, floors: Floors, old: number): Promise<Runs> {
    const { requests, names } = this.#shared;
    const runsBefore = (end: number): Runs =>
      Object.fromEntries([...ledger.settled].map(([lane, all]) => [lane, all.runs((floors[lane] ?? 0) + 1, end - 1)]));
    const all: number[] = [];
    forEachOf(runsBefore(old), (_, seq) => all.push(seq));
    const seqs = all.sort((one, other) => one - other).slice(0, MAX_SINGLE);
    const deleted = runsBefore((seqs.at(-1) ?? 0) + 1);
    const remove = (seq: number): Promise<unknown> =>
      requests.api(`STREAM.MSG.DELETE.${names.queues}`, { seq, no_erase: true }).catch(ignoreRefusal);
    for (let from = 0; from < seqs.length; from += DELETES_AT_ONCE) {
      await Promise.all(seqs.slice(from, from + DELETES_AT_ONCE).map(remove));
    }
    return deleted;
  }

  /** Others add records at any time, more than one during many deletions: it reads those, and tries again. */
  async #write(queue: KnownQueue, ledger: Ledger, reached: Floors, deleted: Runs): Promise<Floors | undefined> {
    const { ledgers, names } = this.#shared;
    for (let attempt = 1; attempt <= MAX_WRITES; attempt += 1) {
      await ledger.sync();
      const floors = settledFloors(ledger, reached);
      const record = { k: 'c', inc: queue.record.inc, state: stateOf(ledger, floors, deleted) } as const;
      if (JSON.stringify(record).length > MAX_BYTES) return undefined;
      const ack = await ledgers.appendAfter(queue.name, record, ledger.last);
      if (ack === undefined) continue;
      await this.#purge(names.ledger, names.records(queue.name), ack.seq);
      return floors;
    }
    return undefined;
  }

  async #purge(stream: string, filter: string, seq: number): Promise<void> {
    if (seq > 1) await this.#shared.requests.api(`STREAM.PURGE.${stream}`, { filter, seq });
  }
}

/** The state of the ledger without messages below the floors and deleted ones. Those count as sent from now on. */
function stateOf(ledger: Ledger, floors: Floors, deleted: Runs): LedgerState {
  const totals = { ...ledger.totals };
  const settled: Partial<Record<Lane, number[]>> = {};
  for (const [lane, all] of ledger.settled) {
    const left = subtract(all.runs((floors[lane] ?? 0) + 1), deleted[lane] ?? []);
    totals.sent += countOf(all.runs(0)) - countOf(left);
    if (left.length > 0) settled[lane] = left;
  }
  return { floors, totals, entries: [...ledger.entries], settled };
}
