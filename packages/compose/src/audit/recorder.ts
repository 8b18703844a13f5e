/** Records messages and settlements of this process. The facets of an audit call it. */

import { type Delivery, type MessageInput, newId, type Settlement, type SettleResult } from '@busbar/api/transport';
import type { Describe } from './body.ts';
import type { LogWriter } from './log-writer.ts';
import type { MessageAction, RecordFields, RecordItem } from './record.ts';

/** A held message: what a settlement is about. */
interface Held {
  readonly id: string;
  readonly queue: string;
  readonly attempt: number;
  readonly endsAt: number;
}

/** What was described before a call, since the caller may change it afterwards. */
export interface Draft {
  readonly at: number;
  /** Of each message its fields as JSON. */
  readonly messages: readonly string[];
}

/** Receipts of messages that were never settled. The oldest are forgotten, and then a settlement is recorded by its receipt. */
const MAX_HELD = 100_000;
const MAX_REASON = 512;
/** Messages of one record: with the longest ids and receipts they fit into a batch. */
const MAX_ITEMS = 100;

const ACTIONS: Readonly<Record<Exclude<Settlement['action'], 'extend'>, MessageAction>> = {
  ack: 'acked',
  retry: 'retried',
  reject: 'rejected',
  release: 'released',
};

/** Records what this process does. */
export class Recorder {
  readonly writer: LogWriter;
  /** The name of the audited transport, for errors. */
  readonly transport: string;
  readonly #describe: Describe;
  readonly #held = new Map<string, Held>();

  constructor(writer: LogWriter, transport: string, describe: Describe) {
    this.writer = writer;
    this.transport = transport;
    this.#describe = describe;
  }

  /** Throws BACKPRESSURE if the log must take everything and does not. */
  admit(operation: string): void {
    this.writer.admit(operation, this.transport);
  }

  /** The same messages with ids, so that each can be named whatever happens. What is no message stays as it is. */
  withIds<M extends MessageInput>(messages: readonly M[]): readonly M[] {
    if (!Array.isArray(messages)) return messages;
    return messages.map((message) =>
      isMessage(message) && message.id === undefined ? { ...message, id: newId() } : message,
    );
  }

  draft(messages: readonly MessageInput[]): Draft {
    const at = Date.now();
    const isLegal = Array.isArray(messages) && messages.every(isMessage);
    try {
      return { at, messages: isLegal ? messages.map(this.#describe) : [] };
    } catch {
      return { at, messages: [] }; // It has a field that is no JSON. The store refuses it.
    }
  }

  /** Records one message of a draft. */
  sent(draft: Draft, index: number, fields: RecordFields): void {
    const json = draft.messages[index];
    if (json !== undefined) this.writer.write(fields, { at: draft.at, json });
  }

  /** Records that a whole call failed. */
  failed(draft: Draft, where: Pick<RecordFields, 'queue' | 'topic'>, error: unknown): void {
    const action = outcomeOf(error) === 'unknown' ? 'unknown' : 'failed';
    for (const index of draft.messages.keys()) this.sent(draft, index, { action, ...where, reason: reasonOf(error) });
  }

  delivered(queue: string, deliveries: readonly Delivery[], consumer: string | undefined): void {
    const items = deliveries.map(
      ({ id, attempt, receipt, topic }): RecordItem =>
        topic === undefined ? [id, attempt, receipt] : [id, attempt, receipt, topic],
    );
    this.#writeItems({ action: 'delivered', queue, consumer }, items);
    for (const { id, attempt, receipt, leaseLeftMs, leaseEndsAt } of deliveries) {
      this.#held.set(receipt, { id, queue, attempt, endsAt: leaseEndsAt ?? performance.now() + leaseLeftMs });
    }
    for (const receipt of this.#held.keys()) {
      if (this.#held.size <= MAX_HELD) break;
      this.#held.delete(receipt);
    }
  }

  settled(settlements: readonly Settlement[], statusOf: (index: number) => SettleResult['status'] | undefined): void {
    const acked = new Map<string, RecordItem[]>();
    for (const [index, settlement] of settlements.entries()) {
      const { receipt, action } = settlement;
      const status = statusOf(index);
      if (action === 'extend' || status === undefined) continue;
      const held = this.#held.get(receipt);
      this.#held.delete(receipt);
      if (action !== 'ack' || status !== 'done' || held === undefined) this.#settledOne(settlement, status, held);
      else if (acked.get(held.queue)?.push([held.id, held.attempt]) === undefined) {
        acked.set(held.queue, [[held.id, held.attempt]]);
      }
    }
    for (const [queue, items] of acked) this.#writeItems({ action: 'acked', queue }, items);
  }

  /** One record for several messages: most of what a record of its own would say is the same. */
  #writeItems(fields: RecordFields, items: readonly RecordItem[]): void {
    for (let from = 0; from < items.length; from += MAX_ITEMS) {
      this.writer.write({ ...fields, items: items.slice(from, from + MAX_ITEMS) });
    }
  }

  #settledOne(settlement: Settlement, status: SettleResult['status'], held: Held | undefined): void {
    if (settlement.action === 'extend') return;
    this.writer.write({
      action: status === 'lease-lost' ? 'lease-lost' : ACTIONS[settlement.action],
      ...(held === undefined
        ? { receipt: settlement.receipt }
        : { id: held.id, queue: held.queue, attempt: held.attempt }),
      reason: 'reason' in settlement ? settlement.reason?.slice(0, MAX_REASON) : undefined,
      delayMs: settlement.action === 'retry' ? settlement.delayMs : undefined,
      isUnsure: status === 'unknown' ? true : undefined,
    });
  }

  /** The transport has closed and returned what it held. */
  released(): void {
    const now = performance.now();
    for (const { endsAt, ...held } of this.#held.values()) {
      if (endsAt > now) this.writer.write({ action: 'released', ...held });
    }
    this.#held.clear();
  }
}

function isMessage(value: unknown): value is MessageInput {
  return typeof value === 'object' && value !== null && (value as MessageInput).body instanceof Uint8Array;
}

export function outcomeOf(error: unknown): unknown {
  return (error as { readonly outcome?: unknown } | undefined)?.outcome;
}

/** The error of a failed call, in a line. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  return `${code ?? 'INTERNAL'}: ${message ?? ''}`.slice(0, MAX_REASON);
}
