/** Settles deliveries: the ledger says what became of them, the consumer on the server lets them go. */

import { type CallContext, TickBatcher } from '@busbar/api/driver';
import type { BusbarError, Settlement, SettleResult } from '@busbar/api/transport';
import type { Lane } from '../connection/names.ts';
import { toDriverError } from '../connection/wire.ts';
import { bury, historyOf, readAt } from './burial.ts';
import type { QueueGround } from './ground.ts';
import type { Held } from './held.ts';
import { push, type Verdict } from './ledger.ts';
import type { KnownQueue } from './queue-record.ts';
import { parseReceipt, type Receipt } from './receipt.ts';

interface Item {
  readonly settlement: Settlement;
  readonly receipt: Receipt;
}

/** What is done for one settlement: said in the ledger, then to the consumer. */
interface Deed {
  readonly result: SettleResult;
  readonly verdict?: Verdict;
  readonly consumer?: string;
  readonly ackSubject?: string;
  readonly word?: string;
  /** Until when the lease surely ran, on the monotonic clock of this process. */
  readonly deadline?: number;
  /** It is said with the record, not after it: it gives nothing back. */
  readonly isAtOnce?: boolean;
}

const NS = 1_000_000;
const RECORD_BYTES = 200_000;
const MAX_ITEMS = 1_000;
/** A lease ends here a little before it ends on the server. */
export function marginOf(leaseMs: number): number {
  return Math.min(25, leaseMs / 20);
}

/** Settles deliveries, those of one turn of a queue together. */
export class Settler {
  readonly #ground: QueueGround;
  readonly #batcher: TickBatcher<Item, SettleResult>;

  constructor(ground: QueueGround) {
    this.#ground = ground;
    this.#batcher = new TickBatcher<Item, SettleResult>({
      run: (queue, items, deadline) => this.#run(queue, items, deadline),
      schedule: setImmediate,
      maxItems: MAX_ITEMS,
    });
  }

  async settle(settlements: readonly Settlement[], { deadline }: CallContext): Promise<SettleResult[]> {
    const results: SettleResult[] = settlements.map(({ receipt }) => ({ receipt, status: 'lease-lost' }));
    const byQueue = new Map<string, { items: Item[]; indexes: number[] }>();
    for (const [index, settlement] of settlements.entries()) {
      const receipt = parseReceipt(settlement.receipt);
      if (receipt === undefined) continue;
      const group = byQueue.get(receipt.queue) ?? { items: [], indexes: [] };
      byQueue.set(receipt.queue, group);
      group.items.push({ settlement, receipt });
      group.indexes.push(index);
    }
    const settled = [...byQueue].map(async ([queue, { items, indexes }]) => {
      const done = await this.#batcher.call(queue, items, deadline);
      for (const [at, result] of done.entries()) results[indexes[at] ?? -1] = result;
    });
    await Promise.all(settled);
    return results;
  }

  async #run(queue: string, items: readonly Item[], deadline: number): Promise<SettleResult[]> {
    this.#ground.used.add(queue);
    const known = await this.#ground.records.fresh(queue, { deadline });
    const deeds: Deed[] = [];
    const holds = await this.#holds(known, items);
    for (const [index, { settlement, receipt }] of items.entries()) {
      const held = holds[index];
      if (known === undefined || held === undefined || held.isSettled) {
        deeds.push({ result: { receipt: settlement.receipt, status: 'lease-lost' } });
        continue;
      }
      held.isSettled = settlement.action !== 'extend';
      deeds.push(await this.#decide(known, settlement, receipt, held));
    }
    await this.#write(queue, known, deeds, deadline);
    return deeds.map(({ result }) => result);
  }

  /** What is known of each delivery; undefined where its lease is lost. Another process's are looked up in the ledger. */
  async #holds(known: KnownQueue | undefined, items: readonly Item[]): Promise<(Held | undefined)[]> {
    const now = performance.now();
    const own = items.map(({ settlement }) => this.#ground.held.get(settlement.receipt));
    if (known === undefined) return own.map(() => undefined);
    const isOwn = (held: Held | undefined): boolean => held !== undefined && (held.isSettled || held.deadline > now);
    const isForeign = own.some((held, index) => !isOwn(held) && items[index]?.receipt.inc === known.record.inc);
    const ledger = isForeign ? await this.#ground.ledgers.read(known.name, known.record.inc) : undefined;
    return Promise.all(
      items.map(async ({ settlement, receipt }, index) => {
        const held = own[index];
        if (receipt.inc !== known.record.inc) return undefined;
        if (isOwn(held)) return held;
        const lease = ledger?.entries.get(receipt.seq)?.lease;
        const leftMs = (lease?.end ?? 0) - this.#ground.clock.late;
        if (lease?.r !== receipt.r || leftMs <= 0) return undefined;
        const found = held ?? (await this.#find(known, receipt));
        if (found === undefined) return undefined;
        found.deadline = performance.now() + leftMs - marginOf(leftMs);
        this.#ground.held.add(settlement.receipt, found);
        return found;
      }),
    );
  }

  async #find(known: KnownQueue, receipt: Receipt): Promise<Held | undefined> {
    const stored = await readAt(this.#ground.wire, this.#ground.names, receipt.seq);
    if (stored === undefined) return undefined;
    const consumer = await this.#ground.consumers.ensure(known, receipt.lane);
    const ledger = await this.#ground.ledgers.read(known.name, known.record.inc);
    const attempt = (stored.envelope.past?.attempts ?? 0) + (ledger.entries.get(receipt.seq)?.attempts ?? 1);
    const { maxAttempts, expiresAt } = stored.envelope;
    const by = ledger.entries.get(receipt.seq)?.lease?.by;
    return { ...receipt, consumer, by, attempt, maxAttempts, expiresAt, deadline: 0, isSettled: false };
  }

  async #decide(known: KnownQueue, settlement: Settlement, at: Receipt, held: Held): Promise<Deed> {
    const { names, clock } = this.#ground;
    const { receipt, action } = settlement;
    const { lane, seq, r } = at;
    const ackSubject = `$JS.ACK.${names.queues}.${held.consumer.name}.1.${seq}.${at.cseq}.0.0`;
    const consumer = held.consumer.name;
    const { deadline } = held;
    const done = { result: { receipt, status: 'done' as const }, consumer, ackSubject, deadline };
    const isExpired = held.expiresAt !== undefined && held.expiresAt <= clock.now;
    if (action === 'ack') return { ...done, verdict: { did: 'ack', lane, seq, r }, word: '+ACK', isAtOnce: true };
    if (action === 'extend') return this.#extend(known, receipt, held, ackSubject);
    if (isExpired) return { ...done, verdict: { did: 'expired', lane, seq, r }, word: '+ACK', isAtOnce: true };
    if (action === 'release') return { ...done, verdict: { did: 'release', lane, seq, r }, word: '-NAK' };
    const isLast = held.attempt >= (held.maxAttempts ?? known.record.settings.maxAttempts);
    const { reason } = settlement;
    if (action === 'reject' || isLast) {
      const verdict: Verdict = { did: 'dead', lane, seq, r, outcome: action, reason };
      await this.#bury(known, held, verdict, reason ?? (action === 'reject' ? 'rejected' : 'attempts used up'));
      return { ...done, verdict, word: '+TERM' };
    }
    const delayMs = settlement.delayMs ?? 0;
    const dueAt = delayMs > 0 ? clock.late + delayMs : 0;
    const word = delayMs > 0 ? `-NAK {"delay":${Math.ceil(delayMs * NS)}}` : '-NAK';
    return { ...done, verdict: { did: 'retry', lane, seq, r, outcome: 'retry', reason, at: dueAt }, word };
  }

  #extend(known: KnownQueue, receipt: string, held: Held, ackSubject: string): Deed {
    const { leaseMs } = known.record.settings;
    const { lane, seq, r } = held;
    held.deadline = performance.now() + leaseMs - marginOf(leaseMs);
    const word = held.consumer.ackWaitMs === leaseMs ? '+WPI' : `-NAK {"delay":${leaseMs * NS}}`;
    const verdict: Verdict = { did: 'extend', lane, seq, r, at: this.#ground.clock.now + leaseMs };
    const result = { receipt, status: 'done' as const, leaseLeftMs: leaseMs - marginOf(leaseMs) };
    return { result, verdict, consumer: held.consumer.name, ackSubject, word, isAtOnce: true };
  }

  async #bury(known: KnownQueue, held: Held, verdict: Verdict, reason: string): Promise<void> {
    const { wire, names, ledgers } = this.#ground;
    const stored = await readAt(wire, names, held.seq);
    if (stored === undefined) return;
    const entry =
      held.attempt > 1 ? (await ledgers.read(known.name, known.record.inc)).entries.get(held.seq) : undefined;
    const { outcome = 'reject' } = verdict;
    const consumer = held.by;
    const last = { attempt: held.attempt, endedAt: Date.now(), outcome, reason: verdict.reason, consumer };
    const history = [...historyOf(stored, entry), last].slice(-20);
    await bury(wire, names, known, stored, { attempts: held.attempt, history, reason });
  }

  /** Acks and extensions go out right behind their record. What gives a message back waits until the ledger says why. */
  async #write(queue: string, known: KnownQueue | undefined, deeds: Deed[], deadline: number): Promise<void> {
    const { wire, ledgers } = this.#ground;
    if (known === undefined || deeds.every(({ verdict }) => verdict === undefined)) return;
    const pieces = piecesOf(deeds.flatMap(({ verdict }) => verdict ?? []));
    try {
      const inc = known.record.inc;
      const said = Promise.all(pieces.map((piece) => ledgers.append(queue, { k: 's', inc, ...piece }, deadline)));
      for (const { ackSubject = '', word = '', isAtOnce } of deeds) if (isAtOnce) wire.tell(ackSubject, word);
      await said;
    } catch (error) {
      const { outcome }: BusbarError = toDriverError(error);
      if (outcome === 'failed') throw toDriverError(error);
      for (const [index, deed] of deeds.entries()) {
        if (deed.verdict) deeds[index] = { result: { receipt: deed.result.receipt, status: 'unknown' } };
      }
      return;
    }
    await this.#checkLate(known, deeds);
    await this.#giveBack(deeds.filter(({ word, isAtOnce }) => word !== undefined && !isAtOnce));
  }

  /** What was stored after its lease had ended may have changed nothing: the ledger says. */
  async #checkLate(known: KnownQueue, deeds: Deed[]): Promise<void> {
    const now = performance.now();
    const isLate = ({ deadline = now, verdict }: Deed): boolean => deadline < now && verdict?.did === 'ack';
    if (!deeds.some(isLate)) return;
    const ledger = await this.#ground.ledgers.read(known.name, known.record.inc);
    for (const [index, deed] of deeds.entries()) {
      const { verdict, result } = deed;
      if (verdict === undefined || !isLate(deed)) continue;
      const entry = ledger.entries.get(verdict.seq);
      const by = entry?.isSettled ? entry.settledBy : entry?.lease?.r;
      const isOther = by !== undefined && by !== verdict.r;
      if (isOther) deeds[index] = { ...deed, result: { ...result, status: 'lease-lost' } };
    }
  }

  /** A consumer acts in order on what it is told: the last word to each is confirmed. */
  async #giveBack(deeds: readonly Deed[]): Promise<void> {
    const { wire } = this.#ground;
    const last = new Map(deeds.map((deed) => [deed.consumer, deed]));
    const confirmed = deeds.map(async (deed) => {
      const { ackSubject = '', word = '' } = deed;
      if (last.get(deed.consumer) === deed) await wire.confirm(ackSubject, word);
      else wire.tell(ackSubject, word);
    });
    await Promise.allSettled(confirmed); // The ledger has it: what the consumer did not hear ends with its lease.
  }
}

type Piece = { acked: Partial<Record<Lane, number[]>>; other: Verdict[] };

/** Verdicts in records that are small enough. */
function piecesOf(verdicts: readonly Verdict[]): Piece[] {
  const pieces: Piece[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const verdict of verdicts) {
    if (bytes > RECORD_BYTES) {
      pieces.push({ acked: {}, other: [] });
      bytes = 0;
    }
    const piece = pieces.at(-1) as Piece;
    if (verdict.did === 'ack') push(piece.acked, verdict.lane, verdict.seq, verdict.r ?? 0);
    else piece.other.push(verdict);
    bytes += 100 + (verdict.reason?.length ?? 0) * 3;
  }
  return pieces;
}
