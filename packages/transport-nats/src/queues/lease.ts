/** Leases claimed messages: one record in the ledger for those of a receive. */

import type { Delivery } from '@busbar/api/transport';
import type { Lane } from '../connection/names.ts';
import { PastLost, toDriverError } from '../errors.ts';
import type { Consumer } from './consumers.ts';
import { attemptsOf } from './dead-letters.ts';
import type { Claim } from './held-deliveries.ts';
import type { LedgerRecord } from './ledger.ts';
import type { QueueContext } from './queue-context.ts';
import type { KnownQueue } from './queue-record.ts';
import { ackSubject, nakBody, toReceipt } from './receipt.ts';
import { push, runsOf } from './runs.ts';
import { marginOf } from './settle.ts';
import type { StoredMessage } from './stored-message.ts';

/** A message that may be leased. */
export interface Candidate {
  /** When its lease begins at the earliest, on the monotonic clock of this process. */
  readonly at: number;
  readonly stored: StoredMessage;
  readonly cseq: number;
  readonly consumer: Consumer;
  readonly attempt: number;
}

/** The lease of a delivery. */
interface Lease {
  readonly r: number;
  readonly end: number;
  readonly by: string | undefined;
  readonly claim: Claim;
}

type ReceiveRecord = Extract<LedgerRecord, { k: 'r' }>;

/** A record of a receive in the ledger, and the messages that it leases. */
interface Recorded {
  readonly seq: number;
  readonly mine: readonly Candidate[];
}

export class Leaser {
  readonly #shared: QueueContext;
  /** When a server was last seen to be away. */
  #lostAt = Number.NEGATIVE_INFINITY;

  constructor(shared: QueueContext) {
    this.#shared = shared;
  }

  get lostAt(): number {
    return this.#lostAt;
  }

  /** A server was away: it may have given messages to another process before it took the record of a receive. */
  distrust(): void {
    this.#lostAt = performance.now();
  }

  /** Leases the candidates. `isAsked`: the ledger says which ones are this receive's, before they are delivered. */
  async lease(
    queue: KnownQueue,
    candidates: readonly Candidate[],
    by: string | undefined,
    isAsked: boolean,
  ): Promise<Delivery[]> {
    const { clock, requests } = this.#shared;
    const { leaseMs } = queue.record.settings;
    const seqs: Partial<Record<Lane, number[]>> = {};
    for (const { stored, consumer, cseq } of candidates) {
      push(seqs, consumer.lane, stored.seq);
      const place = { seq: stored.seq, cseq };
      if (consumer.ackWaitMs !== leaseMs)
        requests.send(ackSubject(this.#shared.names, consumer.name, place), nakBody(leaseMs));
    }
    // Not after the server's own end: after it the server delivers the message again.
    const at = Math.min(...candidates.map((candidate) => candidate.at));
    const end = clock.at(at) + leaseMs;
    const r = Math.floor(Math.random() * 2 ** 48);
    const record = { k: 'r', inc: queue.record.inc, r, by, end, got: runsOf(seqs) } as const;
    const recorded = this.#record(queue, candidates, record, at, isAsked);
    if (isAsked || requests.isUnsure) {
      const { seq, mine } = await recorded;
      const claim = { over: recorded, seq };
      return mine.map((candidate) => this.#deliver(queue, candidate, { r, end, by, claim }));
    }
    const note = ({ seq, mine }: Recorded): void => {
      if (mine.length === candidates.length) claim.seq = seq;
    };
    const claim: Claim = { over: recorded.then(note, ignore), seq: undefined };
    const deliveries = candidates.map((candidate) => this.#deliver(queue, candidate, { r, end, by, claim }));
    requests.connection.writeOut();
    // Then the record is written: it counts also if this process ends.
    await undefined;
    return deliveries;
  }

  /**
   * Adds the record of a receive. Resolves with those that it leases. If the server refuses it, the messages go back at once,
   * without a lease.
   */
  async #record(
    queue: KnownQueue,
    candidates: readonly Candidate[],
    record: ReceiveRecord,
    at: number,
    isAsked: boolean,
  ): Promise<Recorded> {
    const { ledgers, names, requests } = this.#shared;
    try {
      const { seq } = await ledgers.append(queue.name, record, { since: at });
      // The server may have given the messages to another process before it took this record.
      const waitMs = Math.min(...candidates.map(({ consumer }) => consumer.ackWaitMs), queue.record.settings.leaseMs);
      const isLate = at <= this.#lostAt || performance.now() > at + waitMs - marginOf(waitMs);
      return { seq, mine: isAsked || isLate ? await this.#confirm(queue, candidates, record.r, seq) : candidates };
    } catch (error) {
      if (error instanceof PastLost) return { seq: 0, mine: [] };
      const isRefused = toDriverError(error).outcome === 'failed';
      for (const { stored, consumer, cseq } of isRefused ? candidates : []) {
        requests.send(ackSubject(names, consumer.name, { seq: stored.seq, cseq }), '-NAK');
      }
      throw error;
    }
  }

  /**
   * Those that were neither hidden nor received by another process before this receive. The ledger numbers their attempts: it
   * may have taken the record of an earlier receive after these were claimed. One above the limit is not delivered: it ends
   * when its lease does.
   */
  async #confirm(
    queue: KnownQueue,
    candidates: readonly Candidate[],
    r: number,
    upTo: number,
  ): Promise<readonly Candidate[]> {
    const ledger = await this.#shared.ledgers.read(queue.name, queue.record.inc, upTo);
    const mine: Candidate[] = [];
    for (const candidate of candidates) {
      const { stored, consumer, cseq } = candidate;
      const entry = ledger.entries.get(stored.seq);
      if (entry?.lease?.r === r) {
        const attempt = attemptsOf(stored, entry);
        const most = stored.envelope.maxAttempts ?? queue.record.settings.maxAttempts;
        if (attempt <= most) mine.push({ ...candidate, attempt });
      } else if (ledger.isSettled(consumer.lane, stored.seq)) {
        this.#shared.requests.send(ackSubject(this.#shared.names, consumer.name, { seq: stored.seq, cseq }), '+ACK');
      }
    }
    return mine;
  }

  #deliver(
    { name: queue, record }: KnownQueue,
    { at, stored, cseq, consumer, attempt }: Candidate,
    { r, end, by, claim }: Lease,
  ): Delivery {
    const { message, envelope, seq } = stored;
    const { maxAttempts, expiresAt, ttlMs } = envelope;
    const { leaseMs } = record.settings;
    const deadline = at + leaseMs - marginOf(leaseMs);
    const place = { queue, inc: record.inc, lane: consumer.lane, seq, cseq, r, end };
    const receipt = toReceipt(place);
    const held = { ...place, consumer, by, attempt, maxAttempts, expiresAt, deadline, claim, isSettled: false };
    this.#shared.held.add(receipt, held);
    return {
      ...message,
      queue,
      receipt,
      attempt,
      leaseLeftMs: Math.max(0, deadline - performance.now()),
      ttlLeftMs: expiresAt === undefined ? undefined : leftOf(expiresAt - this.#shared.clock.store.now, ttlMs),
    };
  }
}

/** The remaining time, at most `whole`: the bounds of the server's clock could make it longer. */
export function leftOf(ms: number, whole: number = Number.POSITIVE_INFINITY): number {
  return Math.min(whole, Math.max(0, ms));
}

function ignore(): void {}
