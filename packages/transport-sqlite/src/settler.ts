/** Joins the settlements of one turn, as long as nothing else was asked for in between: consecutive acks go together. */

import type { BusbarError, CallContext, Settlement, SettleResult } from '@busbar/api/transport';
import type { Batcher, Operation } from './batcher.ts';
import { settleAll } from './settle.ts';
import type { Transaction } from './transaction.ts';

/** Settlements of one step. */
const STEP = 500;

interface SettleCall {
  readonly settlements: readonly Settlement[];
  readonly resolve: (results: SettleResult[]) => void;
  readonly reject: (error: BusbarError) => void;
  readonly results: SettleResult[];
}

export class Settler {
  readonly #batcher: Batcher;
  #open: SettleOperation | undefined;
  #added = 0;

  constructor(batcher: Batcher) {
    this.#batcher = batcher;
  }

  settle(settlements: readonly Settlement[], context: CallContext): Promise<SettleResult[]> {
    return new Promise((resolve, reject) => {
      const call: SettleCall = { settlements, resolve, reject, results: [] };
      if (this.#added === this.#batcher.added && this.#open?.join(call, context)) return;
      const operation = new SettleOperation(context);
      operation.join(call, context);
      this.#batcher.add(operation);
      this.#open = operation;
      this.#added = this.#batcher.added;
    });
  }
}

class SettleOperation implements Operation {
  readonly writes = true;
  readonly context: CallContext;
  #calls: SettleCall[] = [];
  #begun = false;
  /** What the present step has brought, for the calls in their order. */
  #fresh: SettleResult[] = [];

  constructor(context: CallContext) {
    this.context = context;
  }

  /** Takes a call in. False when it is too late, or when its time ends at another moment. */
  join(call: SettleCall, context: CallContext): boolean {
    if (this.#begun || Math.abs(this.context.deadline - context.deadline) > 1000) return false;
    this.#calls.push(call);
    return true;
  }

  step(transaction: Transaction): boolean {
    this.#begun = true;
    const batch: Settlement[] = [];
    let isAll = true;
    for (const { settlements, results } of this.#calls) {
      for (let index = results.length; index < settlements.length && batch.length < STEP; index += 1) {
        batch.push(settlements[index] as Settlement);
      }
      if (batch.length < STEP) continue;
      isAll = false;
      break;
    }
    this.#fresh = settleAll(transaction, batch);
    return isAll;
  }

  committed(): void {
    let from = 0;
    for (const call of this.#calls) {
      while (call.results.length < call.settlements.length && from < this.#fresh.length) {
        call.results.push(this.#fresh[from] as SettleResult);
        from += 1;
      }
      if (call.results.length < call.settlements.length) break;
      call.resolve(call.results);
    }
    this.#calls = this.#calls.filter(({ results, settlements }) => results.length < settlements.length);
    this.#fresh = [];
  }

  failed(error: BusbarError): void {
    for (const call of this.#calls) call.reject(error);
    this.#calls = [];
  }
}
