/** Settles deliveries. The settlements of one round trip on one queue share a script, which never runs twice. */

import type { CallContext, TickBatcher } from '@busbar/api/driver';
import { type BusbarError, isBusbarError, type Settlement, type SettleResult } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import type { Argument } from '../connection/encode-command.ts';
import { chunksOf, MAX_ITEMS, runChunks } from '../lua/arguments.ts';
import { SETTLE, SETTLE_WITH_ENTRIES } from '../lua/queues.ts';
import { parseReceipt, type Receipt } from './receipt.ts';
import { toBuffer } from './stored-message.ts';

interface ParsedSettlement {
  readonly settlement: Settlement;
  readonly receipt: Receipt | undefined;
  /** Its call has entries, which a full server refuses. */
  readonly hasEntries: boolean;
}

interface SettleItem extends ParsedSettlement {
  readonly receipt: Receipt;
}

/** The result of one settlement, or the error of the server that was too full for its entry. */
type Outcome = SettleResult | BusbarError;

export class Settler {
  readonly #client: ReconnectingClient;
  readonly #batcher: TickBatcher<SettleItem, Outcome>;

  constructor(client: ReconnectingClient) {
    this.#client = client;
    this.#batcher = client.newBatcher({
      run: (queue, items, deadline) => {
        const chunks = chunksOf(items, MAX_ITEMS, bytesOf);
        return runChunks(chunks, (chunk) => this.#settleChunk(queue, chunk, deadline));
      },
      sizeOf: bytesOf,
    });
  }

  /** A receipt that this transport did not issue settles as `lease-lost`. */
  async settle(
    settlements: readonly Settlement[],
    { deadline }: Pick<CallContext, 'deadline'>,
  ): Promise<SettleResult[]> {
    const hasEntries = settlements.some(({ entry }) => entry !== undefined);
    const items = settlements.map((settlement) => ({
      settlement,
      receipt: parseReceipt(settlement.receipt),
      hasEntries,
    }));
    const queue = items[0]?.receipt?.queue;
    if (queue !== undefined && items.every(({ receipt }) => receipt?.queue === queue)) {
      return toResults(await this.#batcher.call(queue, items as SettleItem[], deadline), settlements);
    }
    return toResults(await Promise.all(items.map((item) => this.#settleOne(item, deadline))), settlements);
  }

  async #settleOne(item: ParsedSettlement, deadline: number): Promise<Outcome> {
    const { settlement, receipt } = item;
    if (receipt === undefined) return toResult(settlement, false, 0);
    const [outcome] = await this.#batcher.call(receipt.queue, [{ ...item, receipt }], deadline);
    return outcome as Outcome;
  }

  /** A full server refuses calls with entries. The others of the chunk still settle: they free memory. */
  async #settleChunk(queue: string, items: readonly SettleItem[], deadline: number): Promise<Outcome[]> {
    const hasEntries = items.some((item) => item.hasEntries);
    try {
      return await this.#run(queue, items, { hasEntries, deadline });
    } catch (error) {
      if (!hasEntries || !isBusbarError(error) || error.code !== 'BACKPRESSURE') throw error;
      const others = items.filter((item) => !item.hasEntries);
      const results = others.length === 0 ? [] : await this.#run(queue, others, { hasEntries: false, deadline });
      return items.map((item) => (item.hasEntries ? error : (results.shift() as SettleResult)));
    }
  }

  /** A lost reply makes each result `unknown`. An error before any effect rejects. */
  async #run(
    queue: string,
    items: readonly SettleItem[],
    { hasEntries, deadline }: { readonly hasEntries: boolean; readonly deadline: number },
  ): Promise<SettleResult[]> {
    const args: Argument[] = [queue];
    for (const { settlement, receipt } of items) {
      args.push(receipt.key, actionText(settlement, receipt));
      if (hasEntries) pushEntry(args, settlement);
    }
    const script = hasEntries ? SETTLE_WITH_ENTRIES : SETTLE;
    try {
      const [letters, leaseMs] = (await this.#client.runNow(script, args, { deadline, repeat: false })) as [
        Buffer,
        number,
      ];
      const text = letters.toString('latin1');
      return items.map(({ settlement }, index) => toResult(settlement, text[index] === 'd', leaseMs));
    } catch (error) {
      if (!isBusbarError(error) || error.outcome !== 'unknown') throw error;
      return items.map(({ settlement: { receipt } }) => ({ receipt, status: 'unknown' }));
    }
  }
}

/** Throws the error of a full server, if nothing of the call took effect. A large call can be refused in part. */
function toResults(outcomes: readonly Outcome[], settlements: readonly Settlement[]): SettleResult[] {
  const error = outcomes.find((outcome) => isBusbarError(outcome));
  if (error === undefined) return outcomes as SettleResult[];
  if (outcomes.every((outcome) => isBusbarError(outcome) || outcome.status === 'lease-lost')) throw error;
  return outcomes.map((outcome, index) =>
    isBusbarError(outcome) ? { receipt: settlements[index]?.receipt ?? '', status: 'unknown' } : outcome,
  );
}

function bytesOf({ settlement: { entry } }: SettleItem): number {
  return entry === undefined ? 0 : entry.value.byteLength;
}

function pushEntry(args: Argument[], { entry }: Settlement): void {
  if (entry === undefined) args.push('', '', 0);
  else args.push(entry.key, toBuffer(entry.value), entry.ttlMs ?? 0);
}

function toResult(settlement: Settlement, isDone: boolean, leaseMs: number): SettleResult {
  const { receipt } = settlement;
  if (!isDone) return { receipt, status: 'lease-lost' };
  if (settlement.action !== 'extend') return { receipt, status: 'done' };
  return { receipt, status: 'done', leaseLeftMs: settlement.leaseMs ?? leaseMs };
}

const LETTERS = { ack: 'a', extend: 'e', release: 'l', reject: 'j', retry: 'r' } as const;

/** A letter, the token and a space. Behind other actions than an ack: a time, and the reason, whose `=` tells it from a missing one. */
function actionText(settlement: Settlement, { token }: Receipt): string {
  const text = `${LETTERS[settlement.action]}${token} `;
  if (settlement.action === 'ack') return text;
  const reason = 'reason' in settlement && settlement.reason !== undefined ? `=${settlement.reason}` : '';
  return `${text}${msOf(settlement)} ${reason}`;
}

/** The delay of a retry or a release, the lease of an extension; 0 is the default of both. */
function msOf(settlement: Settlement): number {
  if (settlement.action === 'extend') return settlement.leaseMs ?? 0;
  return 'delayMs' in settlement ? (settlement.delayMs ?? 0) : 0;
}
