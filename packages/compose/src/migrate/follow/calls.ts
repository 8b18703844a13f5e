/** Calls to the store that carries the bus. One that a closed gate refuses waits, and is made again. */

import type { CallContext } from '@busbar/api/driver';
import { ownError } from '../../inner/calls.ts';
import type { Follower } from './follower.ts';
import type { Carrier } from './side.ts';

/** Runs calls for the facets of a driver. */
export class MigrateCalls {
  readonly follower: Follower;

  constructor(follower: Follower) {
    this.follower = follower;
  }

  get current(): Carrier {
    return this.follower.current;
  }

  ready(context: CallContext): Promise<Carrier> {
    return this.follower.ready(context);
  }

  /** The result of `work` at the store that carries the bus when it takes effect. */
  async run<T>(context: CallContext, work: (carrier: Carrier) => Promise<T>): Promise<T> {
    for (;;) {
      const carrier = await this.follower.ready(context);
      try {
        return await work(carrier);
      } catch (error) {
        await this.refused(carrier, error, context);
      }
    }
  }

  /** The result of a call that changes nothing. While a move is announced, the store is asked whether it still has the bus. */
  async read<T>(context: CallContext, work: (carrier: Carrier) => Promise<T>): Promise<T> {
    for (;;) {
      const carrier = await this.follower.ready(context);
      const result = await this.own(work(carrier));
      if (await this.follower.isStill(carrier)) return result;
    }
  }

  /** Returns if the call may be made again. */
  async refused(carrier: Carrier, error: unknown, context: CallContext): Promise<void> {
    try {
      await this.follower.refused(carrier, error, context);
    } catch (refusal) {
      throw ownError(refusal);
    }
  }

  /** The result of `work`; an error is one of this transport. */
  async own<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw ownError(error);
    }
  }
}
