/** Records messages and settlements of this process. The facets of an audit call it. */

import { ChurnMap, type PreparedMessage, passOn, prepareMessages } from '@busbar/api/driver';
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
import type { MessageAction, RecordFields } from './record.ts';

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
/** How many of them at a time. */
const FORGOTTEN = 1_000;
const MAX_REASON = 512;

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
  readonly #held = new ChurnMap<string, Held>();
  readonly #sentHead = new RecordHead();
  readonly #deliveredHead = new RecordHead();
  readonly #ackedHead = new RecordHead();

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
    this.writer.append(`${this.#sentHead.of(about.action, about)}${reason}`, at, this.#describe(message));
  }

  delivered(queue: string, deliveries: readonly Delivery[], consumer: string | undefined): void {
    if (deliveries.length === 0) return;
    const head = this.#deliveredHead.of('delivered', { queue }, consumer);
    for (const { id, attempt, receipt, topic, leaseLeftMs, leaseEndsAt } of deliveries) {
      this.writer.appendItem(head, topic === undefined ? [id, attempt, receipt] : [id, attempt, receipt, topic]);
      this.#held.set(receipt, { id, queue, attempt, endsAt: leaseEndsAt ?? performance.now() + leaseLeftMs });
    }
    if (this.#held.size <= MAX_HELD) return;
    for (const [receipt] of this.#held) {
      if (this.#held.size <= MAX_HELD - FORGOTTEN) break;
      this.#held.delete(receipt);
    }
  }

  settled(settlements: readonly Settlement[], statusOf: (index: number) => SettleResult['status'] | undefined): void {
    for (const [index, settlement] of settlements.entries()) {
      const { receipt, action } = settlement;
      const status = statusOf(index);
      if (action === 'extend' || status === undefined) continue;
      const held = this.#held.get(receipt);
      this.#held.delete(receipt);
      if (action !== 'ack' || status !== 'done' || held === undefined) this.#settledOne(settlement, status, held);
      else this.writer.appendItem(this.#ackedHead.of('acked', held), [held.id, held.attempt]);
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

/** The members that records begin with, as text. One often begins like the one before. */
class RecordHead {
  #action: MessageAction | undefined;
  #name: string | undefined;
  #consumer: string | undefined;
  #members = '';

  /** Messages of `queue` or events of `topic`. */
  of(action: MessageAction, { queue, topic }: Destination, consumer?: string): string {
    const name = queue ?? topic;
    if (action !== this.#action || name !== this.#name || consumer !== this.#consumer) {
      this.#action = action;
      this.#name = name;
      this.#consumer = consumer;
      this.#members = JSON.stringify({ action, queue, topic, consumer }).slice(1, -1);
    }
    return this.#members;
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
