/** The operator's changes: redrive, purge, cancel, reschedule, delete and clear. */

import type { PendingResult } from '@busbar/api/transport';
import type { Lane } from '../connection/names.ts';
import { streamInfo } from '../connection/streams.ts';
import { ignoreRefusal } from '../errors.ts';
import { place } from '../queues/delayed.ts';
import type { Ledger, LedgerOutcome } from '../queues/ledger.ts';
import type { KnownQueue } from '../queues/queue-record.ts';
import { ackSubject, nakBody } from '../queues/receipt.ts';
import { laneFor } from '../queues/send.ts';
import { encode } from '../queues/stored-message.ts';
import type { AdminContext } from './admin-context.ts';
import type { MessageStatus } from './queue-view.ts';

const MAX_OUTCOMES = 2_000;
const DELETES_AT_ONCE = 500;
const NOTHING = new Uint8Array();

export class Operations {
  readonly #context: AdminContext;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  async redrive(name: string, ids: readonly string[] | undefined, limit: number): Promise<number> {
    const view = await this.#context.views.open(name);
    if (view === undefined) return 0;
    const dead = view.all.filter(({ state, stored }) => state === 'dead' && (ids?.includes(stored.message.id) ?? true));
    const chosen = dead.slice(0, limit);
    for (const one of chosen) await this.#revive(view.queue, one);
    if (chosen.length > 0) await this.#unsent(view.queue, chosen.length);
    return chosen.length;
  }

  async purge(name: string, state: 'ready' | 'delayed' | 'dead', ids: readonly string[] | undefined): Promise<number> {
    if (state !== 'dead') await this.#check(name);
    const view = await this.#context.views.open(name);
    const chosen =
      view?.all.filter((one) => one.state === state && (ids?.includes(one.stored.message.id) ?? true)) ?? [];
    if (view === undefined || chosen.length === 0) return 0;
    if (state !== 'dead') return (await this.#hide(view.queue, chosen)).size;
    await Promise.all(chosen.map(({ stored }) => this.#erase(stored.seq)));
    return chosen.length;
  }

  async cancel(name: string, ids: readonly string[]): Promise<PendingResult[]> {
    return this.#pending(name, ids, async (queue, chosen) => this.#hide(queue, chosen));
  }

  async reschedule(name: string, ids: readonly string[], delayMs: number): Promise<PendingResult[]> {
    return this.#pending(name, ids, async (queue, chosen) => {
      const isKeyed = ({ stored }: MessageStatus): boolean => stored.message.orderingKey !== undefined;
      const kept = await this.#postpone(queue, chosen.filter(isKeyed), delayMs);
      const free = chosen.filter((one) => !isKeyed(one));
      const hidden = await this.#hide(queue, free, 'move');
      const dueAt = delayMs > 0 ? this.#context.clock.late + delayMs : undefined;
      for (const { stored, entry } of free.filter((one) => hidden.has(one.stored.seq))) {
        await place(this.#context, queue, stored, entry, { dueAt, readyAt: dueAt ?? this.#context.clock.late });
      }
      return new Set([...kept, ...hidden]);
    });
  }

  async deleteQueue(name: string): Promise<boolean> {
    this.#context.permissions.assertMayDelete(this.#context.names);
    const queue = await this.#context.records.read(name);
    if (queue === undefined) return false;
    await this.#deleteAll([queue]);
    return true;
  }

  async clear(): Promise<void> {
    this.#context.permissions.assertMayDelete(this.#context.names);
    const { requests, names, records } = this.#context;
    const bounds = await this.#bounds();
    // A late call deletes no events of a later time.
    const topics = (await requests.reader.lastSequence(names.topics)) + 1;
    const gone = await this.#end(await records.list(), bounds);
    await this.#context.notices.settled();
    await Promise.all(gone.map((queue) => this.#removeConsumers(queue)));
    const [queues, ledger] = bounds.map((last) => last + 1);
    const settings = Math.max(0, ...gone.map(({ seq }) => seq)) + 1;
    await Promise.all([
      requests.api(`STREAM.PURGE.${names.queues}`, { seq: queues }),
      requests.api(`STREAM.PURGE.${names.topics}`, { seq: topics }),
      requests.api(`STREAM.PURGE.${names.ledger}`, { filter: names.records('>'), seq: ledger }),
      requests.api(`STREAM.PURGE.${names.ledger}`, { filter: names.settings('>'), seq: settings }),
      this.#clearKv(),
    ]);
    await this.#context.headers.renew();
  }

  /** Deletes the queues among `names` that were idle for too long. */
  async deleteIdle(names: readonly string[]): Promise<void> {
    const { records } = this.#context;
    const found = await Promise.all(names.map((name) => records.find(name)));
    await this.#deleteAll(
      found.flatMap((queue) => (queue !== undefined && !records.isSeen(queue.record) ? queue : [])),
    );
  }

  /** Watchers get each deletion. Revisions continue to rise. */
  async #clearKv(): Promise<void> {
    const { kv } = this.#context;
    const present = (await kv.list('')).filter(({ gone }) => gone === undefined);
    for (let from = 0; from < present.length; from += DELETES_AT_ONCE) {
      const part = present.slice(from, from + DELETES_AT_ONCE);
      await Promise.all(part.map((one) => kv.write(one.key, NOTHING, { gone: 'deleted' }, one)));
    }
  }

  /** Deletes queues with their data, once no client uses their old records. */
  async #deleteAll(queues: readonly KnownQueue[]): Promise<void> {
    if (queues.length === 0) return;
    const gone = await this.#end(queues, await this.#bounds());
    await this.#context.notices.settled();
    await Promise.all(gone.map((queue) => this.#remove(queue)));
  }

  /** The last sequences of the streams of queues and of the ledger. */
  async #bounds(): Promise<[number, number]> {
    const { requests, clock, names } = this.#context;
    const infos = [streamInfo(requests, clock, names.queues), streamInfo(requests, clock, names.ledger)] as const;
    const [queues, ledger] = await Promise.all(infos);
    return [queues.state.last_seq, ledger.state.last_seq];
  }

  /** Ends this life of queues. The next use creates a new one. */
  async #end(queues: readonly KnownQueue[], bounds: readonly [number, number]): Promise<KnownQueue[]> {
    const { records, requests, names } = this.#context;
    const gone = await Promise.all(
      queues.map(async ({ name, record }) => {
        const ended = await records.end(name, record.inc, bounds);
        requests.send(names.notice(name));
        return ended ?? [];
      }),
    );
    return gone.flat();
  }

  async #removeConsumers(queue: KnownQueue): Promise<void> {
    await this.#context.consumers.remove(queue);
    await this.#context.bindings.removeConsumers(queue.record.bindings);
  }

  async #remove(queue: KnownQueue): Promise<void> {
    const { records, requests, names } = this.#context;
    const { name, record } = queue;
    const purge = (stream: string, filter: string, last: number): Promise<unknown> =>
      requests.api(`STREAM.PURGE.${stream}`, { filter, seq: last + 1 });
    const [inQueues = 0, inLedger = 0] = record.gone ?? [];
    await this.#removeConsumers(queue);
    await purge(names.queues, names.lane(name, '*'), inQueues);
    await purge(names.queues, names.ids(name), inQueues);
    await purge(names.ledger, names.records(name), inLedger);
    await records.remove(queue).catch(ignoreRefusal);
  }

  async #revive(queue: KnownQueue, { stored }: MessageStatus): Promise<void> {
    const { requests, names, records, clock } = this.#context;
    const { message, envelope, seq } = stored;
    const lane: Lane = laneFor({ ...message, delayMs: 0 });
    const { inc } = (await records.useLane(queue, lane)).record;
    const expiresAt = envelope.ttlMs && Math.ceil(clock.store.late + envelope.ttlMs);
    const past = { attempts: 0, history: envelope.past?.history ?? [] };
    const { dead: _, dueAt: __, ...rest } = envelope;
    const { data, headers } = encode(message, { ...rest, inc, past, expiresAt, readyAt: clock.late }, `${inc}.r${seq}`);
    await requests.publish(names.lane(queue.name, lane), data, headers);
    await this.#erase(seq);
  }

  #unsent(queue: KnownQueue, unsent: number): Promise<unknown> {
    return this.#context.ledgers.append(queue.name, { k: 'u', inc: queue.record.inc, unsent });
  }

  async #erase(seq: number): Promise<void> {
    const { requests, names } = this.#context;
    await requests.api(`STREAM.MSG.DELETE.${names.queues}`, { seq, no_erase: true }).catch(ignoreRefusal);
  }

  async #pending(
    name: string,
    ids: readonly string[],
    act: (queue: KnownQueue, chosen: readonly MessageStatus[]) => Promise<ReadonlySet<number>>,
  ): Promise<PendingResult[]> {
    await this.#check(name);
    const view = await this.#context.views.open(name);
    const byId = Map.groupBy(view?.all ?? [], ({ stored }) => stored.message.id);
    const open = ids
      .flatMap((id) => byId.get(id) ?? [])
      .filter(({ state }) => state === 'ready' || state === 'delayed');
    const done = view === undefined || open.length === 0 ? new Set<number>() : await act(view.queue, open);
    return ids.map((id) => {
      const same = byId.get(id);
      if (same === undefined) return { id, status: 'not-found' };
      return { id, status: same.some(({ stored }) => done.has(stored.seq)) ? 'done' : 'started' };
    });
  }

  /** From now on every receive of the queue reads the ledger. Cancelling a message needs that. */
  async #check(name: string): Promise<void> {
    const { records, requests, names } = this.#context;
    const queue = await records.read(name);
    if (queue === undefined || queue.record.checked) return;
    await records.change(name, (record) => record && { ...record, checked: true });
    requests.send(names.notice(name));
    await this.#context.notices.settled();
  }

  /** Hides messages from receivers, except messages leased meanwhile. Resolves with the hidden sequences. */
  async #hide(
    queue: KnownQueue,
    chosen: readonly MessageStatus[],
    did: 'hide' | 'move' = 'hide',
  ): Promise<Set<number>> {
    const other = chosen.map(({ stored, lane, entry }) => ({ did, lane, seq: stored.seq, r: entry?.lease?.r }));
    const ledger = await this.#append(queue, other);
    const hidden = chosen.filter(({ lane, stored }) => ledger.isSettled(lane, stored.seq));
    // A consumer that waits to deliver one again may hold back the next message of its key.
    for (const { lane, stored } of hidden) this.#settleAt(queue, lane, { seq: stored.seq, cseq: 1 }, '+ACK');
    return new Set(hidden.map(({ stored }) => stored.seq));
  }

  /** Sets when messages with ordering keys are due. They keep their places. Resolves with those not leased meanwhile. */
  async #postpone(queue: KnownQueue, chosen: readonly MessageStatus[], delayMs: number): Promise<Set<number>> {
    const { clock, consumers } = this.#context;
    if (chosen.length === 0) return new Set();
    const at = clock.late + delayMs;
    const other = chosen.map(
      ({ stored, lane, entry }) => ({ did: 'due', lane, seq: stored.seq, r: entry?.lease?.r, at }) as const,
    );
    const ledger = await this.#append(queue, other);
    const done = chosen.filter(({ stored: { seq } }) => ledger.entries.get(seq)?.dueAt === at);
    for (const lane of new Set(done.map((one) => one.lane))) {
      const cseq = await consumers.lastDelivery(queue, lane);
      // Only the one that the consumer waits to deliver again is affected.
      for (const { stored } of done.filter((one) => one.lane === lane)) {
        this.#settleAt(queue, lane, { seq: stored.seq, cseq }, nakBody(delayMs));
      }
    }
    return new Set(done.map(({ stored }) => stored.seq));
  }

  /** Adds outcomes to the ledger, and resolves with it. */
  async #append({ name, record: { inc } }: KnownQueue, outcomes: readonly LedgerOutcome[]): Promise<Ledger> {
    const { ledgers } = this.#context;
    let last: number | undefined;
    for (let from = 0; from < outcomes.length; from += MAX_OUTCOMES) {
      const other = outcomes.slice(from, from + MAX_OUTCOMES);
      last = (await ledgers.append(name, { k: 's', inc, acked: {}, other })).seq;
    }
    return ledgers.read(name, inc, last);
  }

  #settleAt(queue: KnownQueue, lane: Lane, place: { seq: number; cseq: number }, ackBody: string): void {
    const { requests, names, consumers } = this.#context;
    requests.send(ackSubject(names, consumers.nameOf(queue, lane), place), ackBody);
  }
}
