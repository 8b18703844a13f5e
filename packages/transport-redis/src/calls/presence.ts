/** Notices that the other end of a call is gone: its process ended, or lost its connection for seconds. */

import { Deadline, type DeadlineQueue } from '@busbar/api/driver';
import type { ReconnectingClient } from '../connection/client.ts';
import { processChannel } from './channels.ts';

const CHECK_MS = 1_000;
/** A process that reconnects has no subscription for a moment. */
const MAX_MISSING = 3;
const NOTHING = Buffer.alloc(0);

interface Peer {
  /** Called when it is gone: one function for each open call. */
  readonly calls: Set<() => void>;
  /** It had calls at the last check. */
  isOld: boolean;
  /** How often in a row it was missing. */
  missing: number;
}

/** The processes with which this one has open calls. It sends an empty message to each that has some at two checks. */
export class CallPresence {
  readonly #client: ReconnectingClient;
  readonly #deadlines: DeadlineQueue;
  readonly #check = new Deadline(() => this.#checkAll());
  readonly #peers = new Map<string, Peer>();

  constructor(client: ReconnectingClient, deadlines: DeadlineQueue) {
    this.#client = client;
    this.#deadlines = deadlines;
  }

  /** How many calls this process has with `process`. */
  loadOf(process: string): number {
    return this.#peers.get(process)?.calls.size ?? 0;
  }

  /** A call with `process` begins. */
  begin(process: string, onGone: () => void): void {
    const peer = this.#peers.get(process) ?? { calls: new Set(), isOld: false, missing: 0 };
    this.#peers.set(process, peer);
    peer.calls.add(onGone);
    if (this.#check.at === Number.POSITIVE_INFINITY) this.#deadlines.setIn(this.#check, CHECK_MS);
  }

  /** The call that began with `onGone` has ended. */
  end(process: string, onGone: () => void): void {
    const peer = this.#peers.get(process);
    if (peer?.calls.delete(onGone) && peer.calls.size === 0) this.#peers.delete(process);
  }

  #checkAll(): void {
    for (const [process, peer] of this.#peers) {
      if (peer.isOld) this.#ping(process, peer);
      peer.isOld = true;
    }
    if (this.#peers.size > 0) this.#deadlines.setIn(this.#check, CHECK_MS);
  }

  #ping(process: string, peer: Peer): void {
    const options = { deadline: performance.now() + CHECK_MS, repeat: false };
    this.#client.inNextRound(() => {
      this.#client.publishNow(processChannel(process), NOTHING, options).then(
        (count) => {
          peer.missing = Number(count) > 0 ? 0 : peer.missing + 1;
          if (peer.missing >= MAX_MISSING) for (const onGone of [...peer.calls]) onGone();
        },
        () => undefined,
      );
    });
  }
}
