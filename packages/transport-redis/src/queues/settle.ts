/** Settling: what is settled of one queue in one turn travels in one script, which is never run twice. */

import type { CallContext } from '@busbar/api/driver';
import { BusbarError, type Settlement, type SettleResult } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import type { Argument } from '../connection/connection.ts';
import type { Turn } from '../connection/tick-batcher.ts';
import { SCRIPTS } from '../lua/scripts.ts';
import { parseReceipt, type Receipt } from './receipt.ts';

const MAX_SETTLEMENTS = 256;

interface Settling {
  readonly settlement: Settlement;
  readonly receipt: Receipt;
  readonly deadline: number;
  readonly done: (result: SettleResult) => void;
  readonly fail: (error: unknown) => void;
}

/** Settles deliveries. */
export class Settler {
  readonly #link: Link;
  readonly #turn: Turn;

  constructor(link: Link, turn: Turn) {
    this.#link = link;
    this.#turn = turn;
  }

  settle(settlements: readonly Settlement[], { deadline }: Pick<CallContext, 'deadline'>): Promise<SettleResult[]> {
    if (settlements.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const results: SettleResult[] = new Array(settlements.length);
      let left = settlements.length;
      for (const [index, settlement] of settlements.entries()) {
        const done = (result: SettleResult): void => {
          results[index] = result;
          left -= 1;
          if (left === 0) resolve(results);
        };
        const receipt = parseReceipt(settlement.receipt);
        if (receipt === undefined) done({ receipt: settlement.receipt, status: 'lease-lost' });
        else this.#add({ settlement, receipt, deadline, done, fail: reject });
      }
    });
  }

  #add(settling: Settling): void {
    const { queue } = settling.receipt;
    this.#turn.add<Settling>(`settle ${queue}`, settling, (items) => {
      for (let from = 0; from < items.length; from += MAX_SETTLEMENTS) {
        this.#run(queue, items.slice(from, from + MAX_SETTLEMENTS));
      }
    });
  }

  #run(queue: string, items: readonly Settling[]): void {
    const args: Argument[] = [queue];
    let deadline = 0;
    for (const { settlement, receipt, deadline: own } of items) {
      args.push(receipt.key, receipt.token, settlement.action, delayOf(settlement), reasonOf(settlement));
      deadline = Math.max(deadline, own);
    }
    this.#link.run(SCRIPTS.settle, args, { deadline, repeat: false }).then(
      (reply) => answer(items, reply as [Buffer, number]),
      (error: unknown) => giveUp(items, error),
    );
  }
}

function answer(items: readonly Settling[], [letters, leaseMs]: readonly [Buffer, number]): void {
  const text = letters.toString('latin1');
  for (const [index, { settlement, done }] of items.entries()) {
    const { receipt, action } = settlement;
    if (text[index] !== 'd') done({ receipt, status: 'lease-lost' });
    else if (action === 'extend') done({ receipt, status: 'done', leaseLeftMs: leaseMs });
    else done({ receipt, status: 'done' });
  }
}

/** What nobody knows is `unknown`; what was not done at all fails the call. */
function giveUp(items: readonly Settling[], error: unknown): void {
  const isUnknown = error instanceof BusbarError && error.outcome === 'unknown';
  for (const { settlement, done, fail } of items) {
    if (isUnknown) done({ receipt: settlement.receipt, status: 'unknown' });
    else fail(error);
  }
}

function delayOf(settlement: Settlement): number {
  return settlement.action === 'retry' ? (settlement.delayMs ?? 0) : 0;
}

/** A reason that was given has a sign in front, so that an empty one is told from none. */
function reasonOf(settlement: Settlement): string {
  return 'reason' in settlement && settlement.reason !== undefined ? `=${settlement.reason}` : '';
}
