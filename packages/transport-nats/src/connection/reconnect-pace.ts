/** Pauses before each further attempt to reconnect. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import { pauseBeforeDials } from './client-internals.ts';

/** The shortest time between two attempts; a random part of it is added. */
const RECONNECT_MS = 100;

/**
 * Goes by a monotonic clock. The client's own wait goes by the wall clock: after that was set back by an hour it would not
 * connect for an hour. Its timer also keeps the process alive, so that a pause outside of the client is better.
 */
export class ReconnectPace {
  readonly options: Pick<NodeConnectionOptions, 'reconnectDelayHandler' | 'reconnectToServer'> = {
    reconnectDelayHandler: () => Number.NEGATIVE_INFINITY,
    reconnectToServer: ([server]) => {
      // The first connection tries its servers at once.
      if (server === undefined || !this.#hasBegun) return null;
      return { server, delay: this.#pausesItself ? 0 : this.#nextDelay() };
    },
  };
  #hasBegun = false;
  #pausesItself = false;
  #earliest = 0;

  /** `client` has connected for the first time. */
  begin(client: NatsConnection): void {
    this.#hasBegun = true;
    this.#pausesItself = pauseBeforeDials(client, async () => {
      await sleep(this.#nextDelay(), undefined, { ref: false });
    });
  }

  #nextDelay(): number {
    const delay = Math.max(0, this.#earliest - performance.now());
    this.#earliest = performance.now() + delay + RECONNECT_MS * (1 + Math.random());
    return delay;
  }
}
