/** Settles deliveries. The settlements of one turn on one queue share a script, which never runs twice. */

import { type CallContext, TickBatcher } from '@busbar/api/driver';
import { BusbarError, type Settlement, type SettleResult } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import type { Argument } from '../connection/connection.ts';
import { chunksOf } from '../lua/arguments.ts';
import { SETTLE } from '../lua/queues.ts';
import { parseReceipt, type Receipt } from './receipt.ts';

interface SettleItem {
  readonly settlement: Settlement;
  readonly receipt: Receipt;
}

export class Settler {
  readonly #client: ReconnectingClient;
  readonly #batcher: TickBatcher<SettleItem, SettleResult>;

  constructor(client: ReconnectingClient) {
    this.#client = client;
    this.#batcher = new TickBatcher({
      run: (queue, items, deadline) => this.#settleAll(queue, items, deadline),
      schedule: (flush) => client.atEndOfTurn(flush),
    });
  }

  /** A receipt that this transport did not issue settles as `lease-lost`. */
  async settle(
    settlements: readonly Settlement[],
    { deadline }: Pick<CallContext, 'deadline'>,
  ): Promise<SettleResult[]> {
    const results: SettleResult[] = settlements.map(({ receipt }) => ({ receipt, status: 'lease-lost' }));
    await Promise.all(
      [...byQueue(settlements)].map(async ([queue, entries]) => {
        const settled = await this.#batcher.call(queue, [...entries.values()], deadline);
        for (const [at, index] of [...entries.keys()].entries()) results[index] = settled[at] as SettleResult;
      }),
    );
    return results;
  }

  async #settleAll(queue: string, items: readonly SettleItem[], deadline: number): Promise<SettleResult[]> {
    const chunks = chunksOf(items, () => 0);
    return (await Promise.all(chunks.map((chunk) => this.#settleChunk(queue, chunk, deadline)))).flat();
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

/** The settlements of each queue, by their index. */
function byQueue(settlements: readonly Settlement[]): Map<string, Map<number, SettleItem>> {
  const queues = new Map<string, Map<number, SettleItem>>();
  for (const [index, settlement] of settlements.entries()) {
    const receipt = parseReceipt(settlement.receipt);
    if (receipt === undefined) continue;
    const entries = queues.get(receipt.queue);
    if (entries === undefined) queues.set(receipt.queue, new Map([[index, { settlement, receipt }]]));
    else entries.set(index, { settlement, receipt });
  }
  return queues;
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
