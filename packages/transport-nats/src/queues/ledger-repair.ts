/** Repairs ledgers that know of messages which the stream of queues has lost: a machine lost power before the server had synced. */

import type { Msg } from '@nats-io/transport-node';
import { sequenceOf } from '../connection/message-headers.ts';
import type { Names } from '../connection/names.ts';
import type { Bounds } from '../connection/request-inbox.ts';
import type { ServerRequests } from '../connection/server-requests.ts';
import { Ledger, type LedgerRecord, type LedgerState } from './ledger.ts';
import { countOf, type Runs } from './runs.ts';

const PAGE = 1_000;
const REPAIR_MS = 60_000;
/** A record can have a slightly earlier time than the message that it names. */
const MARGIN_MS = 5_000;

interface Parts {
  readonly requests: ServerRequests;
  readonly names: Names;
  readonly bounds: Bounds;
}

/**
 * Drops from all ledgers what became of lost messages. Their sequences are given to new messages, which would count as
 * settled. Part of the check of the store, before any client goes on after a start of the server.
 */
export async function repairLedgers(requests: ServerRequests, names: Names): Promise<void> {
  const bounds = { deadline: performance.now() + REPAIR_MS, isCheck: true };
  const parts = { requests, names, bounds };
  const ends = new Map<string, number>();
  const prefix = names.records('').length;
  for await (const page of recentRecords(parts)) {
    for (const message of page) {
      const queue = (message.headers?.get('Nats-Subject') ?? '').slice(prefix);
      ends.set(queue, Math.max(ends.get(queue) ?? 0, endOf(message.json<LedgerRecord>())));
    }
  }
  // Read after the records: those of messages that exist are never beyond it.
  const last = await requests.reader.lastSequence(names.queues, bounds);
  for (const [queue, end] of ends) if (end > last) await repairLedger(parts, queue);
}

/** The records of all queues since the last message was stored: earlier ones name no later message. */
async function* recentRecords({ requests, names, bounds }: Parts): AsyncGenerator<readonly Msg[]> {
  const lastAt = await requests.reader.lastStoredAt(names.queues, bounds);
  const since = new Date(Math.max(0, lastAt - MARGIN_MS)).toISOString();
  let from: { readonly start_time: string } | { readonly seq: number } = { start_time: since };
  for (;;) {
    const request = { ...from, next_by_subj: names.records('>'), batch: PAGE };
    const { messages, pending } = await requests.reader.get(names.ledger, request, bounds);
    yield messages;
    if (pending === 0 || messages.length === 0) return;
    from = { seq: sequenceOf(messages.at(-1)) + 1 };
  }
}

/** Replaces the state of one ledger. Another client that repairs it at the same time is first, or reads this repair. */
async function repairLedger({ requests, names, bounds }: Parts, queue: string): Promise<void> {
  for (;;) {
    const newest = await requests.reader.last(names.ledger, names.records(queue), bounds);
    if (newest === undefined) return;
    const { inc } = newest.json<LedgerRecord>();
    const ledger = new Ledger(requests, names, queue, inc);
    await ledger.sync(bounds);
    const state = stateUpTo(ledger, await requests.reader.lastSequence(names.queues, bounds));
    const record = { k: 'c', inc, state } satisfies LedgerRecord;
    const headers = { 'Nats-Expected-Last-Subject-Sequence': ledger.last };
    const ack = await requests.publishGuarded(names.records(queue), JSON.stringify(record), headers, bounds);
    if (ack !== undefined) return;
  }
}

/** The state of the ledger without messages beyond `last`. Settled ones among them stay in the totals. */
function stateUpTo({ floors, totals, entries, settled }: Ledger, last: number): LedgerState {
  let lost = 0;
  const kept = [...settled].map(([lane, all]) => {
    lost += countOf(all.runs(last + 1));
    return [lane, all.runs(0, last)] as const;
  });
  return {
    floors: Object.fromEntries(Object.entries(floors).map(([lane, floor = 0]) => [lane, Math.min(floor, last)])),
    totals: { ...totals, sent: totals.sent + lost },
    entries: [...entries].filter(([seq]) => seq <= last),
    settled: Object.fromEntries(kept),
  };
}

/** The highest sequence of a message that a record names. */
function endOf(record: LedgerRecord): number {
  switch (record.k) {
    case 'r':
      return highest(endsOf(record.got));
    case 's': {
      const acked = Object.values(record.acked).flatMap(endsOf);
      return Math.max(highest(acked), highest(record.other.map(({ seq }) => seq)));
    }
    case 'u':
      return 0;
    case 'c': {
      const { floors, entries, settled } = record.state;
      return Math.max(highest(Object.values(floors)), highest(endsOf(settled)), highest(entries.map(([seq]) => seq)));
    }
  }
}

/** The last sequence of each lane. */
function endsOf(runs: Runs): number[] {
  return Object.values(runs).map((list = []) => (list.at(-2) ?? 0) + (list.at(-1) ?? 1) - 1);
}

function highest(numbers: readonly (number | undefined)[]): number {
  return numbers.reduce<number>((most, number = 0) => Math.max(most, number), 0);
}
