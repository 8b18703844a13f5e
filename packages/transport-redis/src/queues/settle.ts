/** Settles deliveries. The settlements of one turn on one queue share a script, which never runs twice. */

import { type CallContext, TickBatcher } from '@busbar/api/driver';
import { BusbarError, type Settlement, type SettleResult } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import type { Argument } from '../connection/connection.ts';
import { chunksOf, MAX_ITEMS, runChunks } from '../lua/arguments.ts';
import { SETTLE } from '../lua/queues.ts';
import { parseReceipt, type Receipt } from './receipt.ts';

interface ParsedSettlement {
  readonly settlement: Settlement;
  readonly receipt: Receipt | undefined;
}

interface SettleItem extends ParsedSettlement {
  readonly receipt: Receipt;
}

export class Settler {
  readonly #client: ReconnectingClient;
  readonly #batcher: TickBatcher<SettleItem, SettleResult>;

  constructor(client: ReconnectingClient) {
    this.#client = client;
    this.#batcher = new TickBatcher({
      run: (queue, items, deadline) => runChunks(chunksOf(items), (chunk) => this.#settleChunk(queue, chunk, deadline)),
      schedule: (flush) => client.atEndOfTurn(flush),
      maxItems: MAX_ITEMS,
    });
  }

  /** A receipt that this transport did not issue settles as `lease-lost`. */
  async settle(
    settlements: readonly Settlement[],
    { deadline }: Pick<CallContext, 'deadline'>,
  ): Promise<SettleResult[]> {
    const items = settlements.map((settlement) => ({ settlement, receipt: parseReceipt(settlement.receipt) }));
    const queue = items[0]?.receipt?.queue;
    if (queue !== undefined && items.every(({ receipt }) => receipt?.queue === queue)) {
      return (await this.#batcher.call(queue, items as SettleItem[], deadline)) as SettleResult[];
    }
    return Promise.all(items.map((item) => this.#settleOne(item, deadline)));
  }

  async #settleOne({ settlement, receipt }: ParsedSettlement, deadline: number): Promise<SettleResult> {
    if (receipt === undefined) return toResult(settlement, false, 0);
    const [result] = await this.#batcher.call(receipt.queue, [{ settlement, receipt }], deadline);
    return result as SettleResult;
  }

  /** A lost reply makes each result `unknown`. An error before any effect rejects. */
  async #settleChunk(queue: string, items: readonly SettleItem[], deadline: number): Promise<SettleResult[]> {
    const args: Argument[] = [queue];
    for (const { settlement, receipt } of items) {
      args.push(receipt.key, receipt.token, settlement.action, delayOf(settlement), reasonOf(settlement));
    }
    try {
      const [letters, leaseMs] = (await this.#client.run(SETTLE, args, { deadline, repeat: false })) as [
        Buffer,
        number,
      ];
      const text = letters.toString('latin1');
      return items.map(({ settlement }, index) => toResult(settlement, text[index] === 'd', leaseMs));
    } catch (error) {
      if (!(error instanceof BusbarError) || error.outcome !== 'unknown') throw error;
      return items.map(({ settlement: { receipt } }) => ({ receipt, status: 'unknown' }));
    }
  }
}

function toResult({ receipt, action }: Settlement, isDone: boolean, leaseMs: number): SettleResult {
  if (!isDone) return { receipt, status: 'lease-lost' };
  return action === 'extend' ? { receipt, status: 'done', leaseLeftMs: leaseMs } : { receipt, status: 'done' };
}

function delayOf(settlement: Settlement): number {
  return settlement.action === 'retry' ? (settlement.delayMs ?? 0) : 0;
}

/** The leading `=` distinguishes an empty reason from a missing one. */
function reasonOf(settlement: Settlement): string {
  return 'reason' in settlement && settlement.reason !== undefined ? `=${settlement.reason}` : '';
}
