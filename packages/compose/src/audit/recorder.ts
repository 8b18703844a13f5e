/** Records messages and settlements of this process. The facets of an audit call it. */

import { type PreparedMessage, passOn, prepareMessages } from '@busbar/api/driver';
import type {
  Capabilities,
  Delivery,
  MessageInput,
  SendResult,
  Settlement,
  SettleResult,
  Transport,
} from '@busbar/api/transport';
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

/** What is sent, and what to record of it afterwards. */
export interface Draft {
  readonly at: number;
  /** What the store gets. */
  readonly messages: readonly MessageInput[];
  /** The same messages, as they can be recorded; none if one of them is illegal. */
  readonly recorded: readonly PreparedMessage[];
}

/** Where messages go: a queue, or a topic. */
export type Destination = Pick<RecordFields, 'queue' | 'topic'>;

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
  readonly #capabilities: Capabilities;
  readonly #describe: Describe;
  readonly #held = new Map<string, Held>();
  /** The members that the last record of a message began with. */
  #head = { action: '', name: '', members: '' };

  constructor(writer: LogWriter, { name, capabilities }: Pick<Transport, 'name' | 'capabilities'>, describe: Describe) {
    this.writer = writer;
    this.transport = name;
    this.#capabilities = capabilities;
    this.#describe = describe;
  }

  /** Throws BACKPRESSURE if the log must take everything and does not. */
  admit(operation: string): void {
    this.writer.admit(operation, this.transport);
  }

  /**
   * Checks, completes and copies messages in place of the store: what is recorded afterwards is what it got. It gets illegal
   * ones as they are, and refuses them.
   */
  draft(messages: readonly MessageInput[], topic?: string): Draft {
    const at = Date.now();
    try {
      const prepared = passOn(prepareMessages(messages, topic, this.#capabilities));
      return { at, messages: prepared, recorded: prepared };
    } catch {
      return { at, messages, recorded: [] };
    }
  }

  /** Sends messages by `send`, and records the result of each. */
  async sending<R extends SendResult>(
    place: Destination,
    messages: readonly MessageInput[],
    send: (messages: readonly MessageInput[]) => Promise<R[]>,
  ): Promise<R[]> {
    const draft = this.draft(messages, place.topic);
    try {
      const results = await send(draft.messages);
      for (const [index, { status, error }] of results.entries()) {
        const stored = place.topic === undefined ? 'sent' : 'published';
        this.sent(draft, index, { action: status === 'stored' ? stored : status, ...place }, error);
      }
      return results;
    } catch (error) {
      const action = outcomeOf(error) === 'unknown' ? 'unknown' : 'failed';
      for (const index of draft.recorded.keys()) this.sent(draft, index, { action, ...place }, error);
      throw error;
    }
  }

  /** Records one message of a draft. */
  sent(
    { at, recorded }: Draft,
    index: number,
    about: Destination & { readonly action: MessageAction },
    error?: unknown,
  ): void {
    const message = recorded[index];
    if (message === undefined) return;
    const reason = error === undefined ? '' : `,"reason":${JSON.stringify(reasonOf(error))}`;
    this.writer.append(`${this.#headOf(about)}${reason}`, at, this.#describe(message));
  }

  #headOf({ action, queue, topic }: Destination & { readonly action: MessageAction }): string {
    const name = queue ?? topic ?? '';
    if (this.#head.action !== action || this.#head.name !== name) {
      this.#head = { action, name, members: JSON.stringify({ action, queue, topic }).slice(1, -1) };
    }
    return this.#head.members;
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
      delayMs: 'delayMs' in settlement ? settlement.delayMs : undefined,
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

export function outcomeOf(error: unknown): unknown {
  return (error as { readonly outcome?: unknown } | undefined)?.outcome;
}

/** The error of a failed call, in a line. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  return `${code ?? 'INTERNAL'}: ${message ?? ''}`.slice(0, MAX_REASON);
}
