/** Settles deliveries: the ledger records the outcome, the consumer on the server gets the ack body. */

import { type CallContext, TickBatcher } from '@busbar/api/driver';
import type { BusbarError, KvPut, Settlement, SettleResult } from '@busbar/api/transport';
import type { Lane } from '../connection/names.ts';
import { pause } from '../connection/pause.ts';
import { toDriverError } from '../errors.ts';
import { historyOf, readAt, storeDeadLetter } from './dead-letters.ts';
import type { HeldDelivery } from './held-deliveries.ts';
import type { Ledger, LedgerOutcome, LedgerRecord } from './ledger.ts';
import type { QueueContext } from './queue-context.ts';
import type { KnownQueue } from './queue-record.ts';
import { ackSubject, NO_CONSUMER, nakBody, parseReceipt, type Receipt } from './receipt.ts';
import { push, runsOf } from './runs.ts';

interface Item {
  readonly settlement: Settlement;
  readonly receipt: Receipt;
}

/** The steps of one settlement: a record in the ledger, then an ack body to the consumer. */
interface SettlementPlan {
  readonly result: SettleResult;
  readonly ledgerOutcome?: LedgerOutcome;
  readonly consumer?: string;
  readonly ackSubject?: string;
  readonly ackBody?: string;
  readonly held?: HeldDelivery;
  /** The ack body returns the message to the queue. */
  readonly isReturn?: boolean;
  /** It ends the message, so its entry is put. */
  readonly isEnd?: boolean;
}

/** The results of a call, and the entries that are still to be put: JetStream has no transaction over two streams. */
export interface Settled {
  readonly results: SettleResult[];
  readonly entries: readonly KvPut[];
}

const RECORD_BYTES = 200_000;
/** The record of a receive is in the ledger this long after its lease began. */
const RECORDED_MS = 1_000;
const RETRY_MS = 5;
const MAX_ITEMS = 1_000;
/** A lease ends here a little before it ends on the server. */
export function marginOf(leaseMs: number): number {
  return Math.min(25, leaseMs / 20);
}

/** Settles deliveries, those of one turn of a queue together. */
export class Settler {
  readonly #shared: QueueContext;
  readonly #batcher: TickBatcher<Item, SettlementPlan>;

  constructor(shared: QueueContext) {
    this.#shared = shared;
    this.#batcher = new TickBatcher<Item, SettlementPlan>({
      run: (queue, items, deadline) => this.#run(queue, items, deadline),
      schedule: setImmediate,
      maxItems: MAX_ITEMS,
    });
  }

  async settle(settlements: readonly Settlement[], { deadline }: CallContext): Promise<Settled> {
    const results: SettleResult[] = settlements.map(({ receipt }) => ({ receipt, status: 'lease-lost' }));
    const byQueue = new Map<string, { items: Item[]; indexes: number[] }>();
    for (const [index, settlement] of settlements.entries()) {
      const receipt = this.#shared.held.get(settlement.receipt) ?? parseReceipt(settlement.receipt);
      if (receipt === undefined) continue;
      const group = byQueue.get(receipt.queue) ?? { items: [], indexes: [] };
      byQueue.set(receipt.queue, group);
      group.items.push({ settlement, receipt });
      group.indexes.push(index);
    }
    const ended: boolean[] = [];
    const settled = [...byQueue].map(async ([queue, { items, indexes }]) => {
      const plans = await this.#batcher.call(queue, items, deadline);
      for (const [at, { result, isEnd = false }] of plans.entries()) {
        const index = indexes[at] ?? -1;
        results[index] = result;
        ended[index] = isEnd;
      }
    });
    await Promise.all(settled);
    return {
      results,
      entries: settlements.flatMap(({ entry }, index) => (ended[index] === true ? (entry ?? []) : [])),
    };
  }

  async #run(queue: string, items: readonly Item[], deadline: number): Promise<SettlementPlan[]> {
    this.#shared.used.add(queue);
    const since = performance.now();
    const known = await this.#shared.records.fresh(queue, { deadline });
    const plans: SettlementPlan[] = [];
    const holds = await this.#holds(known, items);
    const at = performance.now();
    const taken: HeldDelivery[] = [];
    try {
      for (const [index, { settlement, receipt }] of items.entries()) {
        const held = holds[index];
        if (known === undefined || held === undefined || held.isSettled) {
          plans.push({ result: { receipt: settlement.receipt, status: 'lease-lost' } });
          continue;
        }
        held.isSettled = settlement.action !== 'extend';
        taken.push(held);
        const plan = this.#decide(known, settlement, receipt, held);
        plans.push(plan instanceof Promise ? await plan : plan);
      }
      await this.#write(queue, known, plans, { deadline, since });
    } catch (error) {
      for (const held of taken) held.isSettled = false;
      throw error;
    }
    for (const [index, { result, ledgerOutcome }] of plans.entries()) {
      const held = holds[index];
      if (held === undefined || result.status !== 'done') continue;
      if (ledgerOutcome?.did !== 'extend') this.#shared.held.delete(result.receipt);
      else held.deadline = at + (result.leaseLeftMs ?? 0);
    }
    return plans;
  }

  /** Each delivery; undefined if its lease is lost. The ledger has those of other processes. */
  async #holds(known: KnownQueue | undefined, items: readonly Item[]): Promise<(HeldDelivery | undefined)[]> {
    const now = performance.now();
    const own = items.map(({ settlement }) => this.#shared.held.get(settlement.receipt));
    if (known === undefined) return own.map(() => undefined);
    const isOwn = (held: HeldDelivery | undefined): boolean =>
      held !== undefined && (held.isSettled || held.deadline > now);
    const isForeign = own.some((held, index) => !isOwn(held) && items[index]?.receipt.inc === known.record.inc);
    if (!isForeign) return own.map((held) => (held?.inc === known.record.inc ? held : undefined));
    const foreign = items.flatMap(({ receipt }, index) => (isOwn(own[index]) ? [] : [receipt]));
    const ledger = await this.#readWith(known, foreign);
    return Promise.all(
      items.map(async ({ settlement, receipt }, index) => {
        const held = own[index];
        if (receipt.inc !== known.record.inc) return undefined;
        if (isOwn(held)) return held;
        const lease = ledger.entries.get(receipt.seq)?.lease;
        const leftMs = (lease?.end ?? 0) - this.#shared.clock.late;
        if (lease?.r !== receipt.r || leftMs <= 0) return undefined;
        const read = held ?? (await this.#find(known, receipt));
        // A batch can have one receipt twice.
        const found = this.#shared.held.get(settlement.receipt) ?? read;
        if (found === undefined) return undefined;
        found.deadline = performance.now() + leftMs - marginOf(leftMs);
        this.#shared.held.add(settlement.receipt, found);
        return found;
      }),
    );
  }

  /**
   * The ledger with the receives of these receipts. A receive by another connection does not wait for the reply to its record:
   * the server may take that a moment after this settlement.
   */
  async #readWith({ name, record }: KnownQueue, receipts: readonly Receipt[]): Promise<Ledger> {
    const { ledgers, clock } = this.#shared;
    await ledgers.catchUp(name);
    const isOnItsWay = (ledger: Ledger, { inc, lane, seq, r, end }: Receipt): boolean => {
      const lease = ledger.entries.get(seq)?.lease;
      const isOther = ledger.isSettled(lane, seq) || (lease !== undefined && (lease.r === r || lease.end > clock.now));
      return inc === record.inc && !isOther && clock.now < end - record.settings.leaseMs + RECORDED_MS;
    };
    // A lease that was shortened since makes an old receipt look young.
    for (const until = performance.now() + RECORDED_MS; ; await pause(RETRY_MS)) {
      const ledger = await ledgers.read(name, record.inc);
      if (performance.now() > until || !receipts.some((receipt) => isOnItsWay(ledger, receipt))) return ledger;
    }
  }

  async #find(known: KnownQueue, receipt: Receipt): Promise<HeldDelivery | undefined> {
    const stored = await readAt(this.#shared, receipt);
    if (stored === undefined) return undefined;
    const { consumers } = this.#shared;
    const { lane } = receipt;
    // A consumer that is away gets no ack. It delivers the message again, and the ledger has the settlement.
    const isDirect = receipt.cseq === 0;
    const name = isDirect ? NO_CONSUMER : consumers.nameOf(known, lane);
    const away = { name, lane, ackWaitMs: known.record.settings.leaseMs };
    const consumer = (isDirect ? undefined : await consumers.ensure(known, lane)) ?? away;
    const ledger = await this.#shared.ledgers.read(known.name, known.record.inc);
    const attempt = (stored.envelope.past?.attempts ?? 0) + (ledger.entries.get(receipt.seq)?.attempts ?? 1);
    const { maxAttempts, expiresAt } = stored.envelope;
    const by = ledger.entries.get(receipt.seq)?.lease?.by;
    const claim = { over: Promise.resolve(), seq: 0 };
    return { ...receipt, consumer, by, attempt, maxAttempts, expiresAt, deadline: 0, claim, isSettled: false };
  }

  /** A message at a time: a promise each would cost as much as the rest. */
  #decide(
    known: KnownQueue,
    settlement: Settlement,
    at: Receipt,
    held: HeldDelivery,
  ): SettlementPlan | Promise<SettlementPlan> {
    const { names, clock } = this.#shared;
    const { receipt, action } = settlement;
    const { lane, seq, r } = at;
    const consumer = held.consumer.name;
    const { expiresAt = Number.POSITIVE_INFINITY } = held;
    const subject = ackSubject(names, consumer, at);
    const done = { result: { receipt, status: 'done' as const }, consumer, ackSubject: subject, held };
    const isExpired = expiresAt <= clock.store.now;
    if (action === 'ack') return { ...done, ledgerOutcome: { did: 'ack', lane, seq, r }, ackBody: '+ACK', isEnd: true };
    if (action === 'extend') {
      const { leaseMs = known.record.settings.leaseMs } = settlement;
      return this.#extend(receipt, held, { leaseMs, subject });
    }
    const isLast = held.attempt >= (held.maxAttempts ?? known.record.settings.maxAttempts);
    const isEnd = action === 'reject' || (action === 'retry' && isLast);
    if (isExpired) return { ...done, ledgerOutcome: { did: 'expired', lane, seq, r }, ackBody: '+ACK', isEnd };
    if (isEnd) {
      const { reason } = settlement;
      const ledgerOutcome: LedgerOutcome = { did: 'dead', lane, seq, r, outcome: action, reason };
      const why = reason ?? (action === 'reject' ? 'rejected' : 'attempts used up');
      return this.#bury(known, held, ledgerOutcome, why).then((isMine) =>
        isMine
          ? { ...done, ledgerOutcome, ackBody: '+TERM', isEnd }
          : { result: { receipt, status: 'lease-lost' as const } },
      );
    }
    const { delayMs = 0 } = settlement;
    const dueAt = delayMs > 0 ? clock.late + delayMs : 0;
    const counted = action === 'retry' ? { outcome: 'retry' as const, reason: settlement.reason } : {};
    return {
      ...done,
      ledgerOutcome: { did: action, lane, seq, r, ...counted, ...(dueAt > 0 && { at: dueAt }) },
      // The server holds back the next message of a partition until this one comes again: at the latest when it expires.
      ackBody: nakBody(Math.min(delayMs, expiresAt - clock.store.now)),
      isReturn: true,
    };
  }

  #extend(
    receipt: string,
    held: HeldDelivery,
    { leaseMs, subject }: { readonly leaseMs: number; readonly subject: string },
  ): SettlementPlan {
    const { lane, seq, r } = held;
    const ackBody = held.consumer.ackWaitMs === leaseMs ? '+WPI' : nakBody(leaseMs);
    const ledgerOutcome: LedgerOutcome = { did: 'extend', lane, seq, r, at: this.#shared.clock.now + leaseMs };
    const result = { receipt, status: 'done' as const, leaseLeftMs: leaseMs - marginOf(leaseMs) };
    return { result, ledgerOutcome, consumer: held.consumer.name, ackSubject: subject, ackBody, held };
  }

  /** Stores the dead letter; false if the lease is lost. */
  async #bury(known: KnownQueue, held: HeldDelivery, ledgerOutcome: LedgerOutcome, reason: string): Promise<boolean> {
    const { clock, ledgers } = this.#shared;
    const { claim, attempt, seq, r } = held;
    await claim.over;
    const isSure = claim.seq !== undefined;
    const isRead = attempt > 1 || !isSure;
    const entry = isRead ? (await ledgers.read(known.name, known.record.inc, claim.seq)).entries.get(seq) : undefined;
    if (!isSure && entry?.lease?.r !== r) return false;
    const stored = await readAt(this.#shared, held);
    if (stored === undefined) return true;
    const { outcome = 'reject' } = ledgerOutcome;
    const consumer = held.by;
    const last = {
      attempt,
      endedAt: Math.round(clock.middle),
      outcome,
      reason: ledgerOutcome.reason,
      consumer,
    };
    const history = [...historyOf(stored, entry), last].slice(-20);
    await storeDeadLetter(this.#shared, known, stored, { attempts: attempt, history, reason });
    return true;
  }

  /** The ack bodies go out after the record: of a lost lease, one would take the message from its next holder for good. */
  async #write(
    queue: string,
    known: KnownQueue | undefined,
    plans: SettlementPlan[],
    bounds: { readonly deadline: number; readonly since: number },
  ): Promise<void> {
    const { ledgers, requests } = this.#shared;
    if (known === undefined || plans.every(({ ledgerOutcome }) => ledgerOutcome === undefined)) return;
    const pieces = piecesOf(plans.flatMap(({ ledgerOutcome }) => ledgerOutcome ?? []));
    let first = 0;
    // A reconnect may bring a record before that of its receive: then it has no effect, and is added again.
    const isTooEarly = ({ held }: SettlementPlan): boolean => (held?.claim.seq ?? 0) > first;
    try {
      do {
        const inc = known.record.inc;
        const appending = pieces.map((piece) => ledgers.append(queue, { k: 's', inc, ...piece }, bounds));
        // The calls of this turn are together already.
        requests.connection.writeOut();
        const acks = await Promise.all(appending);
        first = Math.min(...acks.map(({ seq }) => seq));
        await Promise.all(new Set(plans.map(({ held }) => held?.claim.over)));
      } while (plans.some(isTooEarly));
    } catch (error) {
      const { outcome }: BusbarError = toDriverError(error);
      if (outcome === 'failed') throw toDriverError(error);
      for (const [index, plan] of plans.entries()) {
        if (plan.ledgerOutcome) plans[index] = { result: { receipt: plan.result.receipt, status: 'unknown' } };
      }
      return;
    }
    await this.#checkLate(known, plans);
    await this.#acknowledge(plans);
  }

  /** A record stored after the end of its lease, or without that of its receive, may have no effect: the ledger decides. */
  async #checkLate(known: KnownQueue, plans: SettlementPlan[]): Promise<void> {
    const now = performance.now() + this.#shared.clock.width;
    const isLate = ({ held }: SettlementPlan): boolean =>
      held !== undefined && (held.deadline < now || held.claim.seq === undefined);
    if (!plans.some(isLate)) return;
    const ledger = await this.#shared.ledgers.read(known.name, known.record.inc);
    for (const [index, plan] of plans.entries()) {
      const { ledgerOutcome, result } = plan;
      if (ledgerOutcome === undefined || !isLate(plan) || hasEffect(ledger, ledgerOutcome)) continue;
      plans[index] = { result: { receipt: result.receipt, status: 'lease-lost' } };
    }
  }

  /** A consumer applies ack bodies in order. The last one to each that returns a message is confirmed. */
  async #acknowledge(plans: readonly SettlementPlan[]): Promise<void> {
    const { requests } = this.#shared;
    const last = new Map(plans.filter(({ isReturn }) => isReturn).map((plan) => [plan.consumer, plan]));
    const confirmed: Promise<void>[] = [];
    for (const plan of plans) {
      const { ackSubject = '', ackBody } = plan;
      if (ackBody === undefined) continue;
      if (last.get(plan.consumer) === plan) confirmed.push(requests.confirm(ackSubject, ackBody));
      else requests.send(ackSubject, ackBody);
    }
    await Promise.allSettled(confirmed); // The ledger has the record. A lost ack body ends with its lease.
  }
}

/** Whether the outcome of a receive is what the ledger says of its message. */
function hasEffect(ledger: Ledger, { did, lane, seq, r }: LedgerOutcome): boolean {
  const by = ledger.settled.get(lane)?.get(seq);
  if (by !== undefined) return did !== 'extend' && (by === 0 || by === r);
  const entry = ledger.entries.get(seq);
  if (entry === undefined) return true; // Compacted since then.
  if (did === 'extend') return entry.lease?.r === r;
  return (did === 'retry' || did === 'release') && entry.lease === undefined;
}

type Piece = { acked: Map<number, Partial<Record<Lane, number[]>>>; other: LedgerOutcome[] };

/** Ledger outcomes in records of bounded size. */
function piecesOf(ledgerOutcomes: readonly LedgerOutcome[]): Omit<Extract<LedgerRecord, { k: 's' }>, 'k' | 'inc'>[] {
  const pieces: Piece[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const ledgerOutcome of ledgerOutcomes) {
    if (bytes > RECORD_BYTES) {
      pieces.push({ acked: new Map(), other: [] });
      bytes = 0;
    }
    const piece = pieces.at(-1) as Piece;
    const { did, lane, seq, r = 0 } = ledgerOutcome;
    if (did === 'ack') {
      const acked = piece.acked.get(r) ?? {};
      push(acked, lane, seq);
      piece.acked.set(r, acked);
    } else piece.other.push(ledgerOutcome);
    bytes += 100 + (ledgerOutcome.reason?.length ?? 0) * 3;
  }
  return pieces.map(({ acked, other }) => ({
    acked: Object.fromEntries([...acked].map(([r, seqs]) => [r, runsOf(seqs)])),
    other,
  }));
}
