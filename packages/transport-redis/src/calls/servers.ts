/** The processes that serve each address, as they say themselves: nothing is stored. */

import { Deadline, type DeadlineQueue } from '@busbar/api/driver';
import type { BusbarError } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { toRedisError } from '../errors.ts';
import { addressChannel } from './channels.ts';
import type { CallPresence } from './presence.ts';

/** The servers of an address that is in use are asked for again after this time. */
const ASK_AGAIN_MS = 1_000;
const MAX_ADDRESSES = 10_000;

/** A call that has no server yet. */
export interface Seeker {
  readonly isOver: boolean;
  readonly deadline: number;
  /** Takes a process, or undefined if none serves the address. */
  found(process: string | undefined): void;
  failed(error: BusbarError): void;
}

interface Address {
  readonly name: string;
  /** When each process last said that it serves the address. */
  readonly processes: Map<string, number>;
  readonly seekers: Set<Seeker>;
  readonly askAgain: Deadline;
  /** The processes in turn. */
  turns: readonly string[];
  turn: number;
  askedAt: number;
}

export class Servers {
  readonly #client: ReconnectingClient;
  readonly #deadlines: DeadlineQueue;
  readonly #presence: CallPresence;
  readonly #addresses = new Map<string, Address>();

  constructor(client: ReconnectingClient, deadlines: DeadlineQueue, presence: CallPresence) {
    this.#client = client;
    this.#deadlines = deadlines;
    this.#presence = presence;
  }

  /** Finds a server of `name`: of two that have their turn, the one with fewer calls of this process. */
  find(name: string, seeker: Seeker): void {
    const address = this.#addresses.get(name) ?? this.#begin(name);
    if (address.processes.size === 0) {
      address.seekers.add(seeker);
      if (address.seekers.size === 1) this.#ask(address);
      return;
    }
    if (performance.now() - address.askedAt >= ASK_AGAIN_MS) this.#ask(address);
    seeker.found(this.#next(address));
  }

  /** `process` says that it serves `name`. */
  add(name: string, process: string): void {
    const address = this.#addresses.get(name);
    if (address === undefined) return;
    if (!address.processes.has(process)) address.turns = [...address.turns, process];
    address.processes.set(process, performance.now());
    for (const seeker of takeAll(address.seekers)) seeker.found(this.#next(address));
  }

  /** `process` does not serve `name` any more. */
  remove(name: string, process: string): void {
    const address = this.#addresses.get(name);
    if (address === undefined || !address.processes.delete(process)) return;
    address.turns = [...address.processes.keys()];
  }

  #begin(name: string): Address {
    if (this.#addresses.size >= MAX_ADDRESSES) {
      for (const [other, { seekers }] of this.#addresses) if (seekers.size === 0) this.#addresses.delete(other);
    }
    const address: Address = {
      name,
      processes: new Map(),
      seekers: new Set(),
      askAgain: new Deadline(() => this.#askAgain(address)),
      turns: [],
      turn: 0,
      askedAt: Number.NEGATIVE_INFINITY,
    };
    this.#addresses.set(name, address);
    return address;
  }

  #next(address: Address): string | undefined {
    const { turns, turn } = address;
    address.turn = turn + 1;
    const one = turns[turn % turns.length];
    const other = turns[(turn + 1) % turns.length];
    if (one === undefined || other === undefined || one === other) return one;
    return this.#presence.loadOf(other) < this.#presence.loadOf(one) ? other : one;
  }

  /** Asks who serves the address. A process that did not answer the last time is no longer chosen if another one did. */
  #ask(address: Address): void {
    const { processes, askedAt } = address;
    const answered = [...processes].filter(([, seenAt]) => seenAt >= askedAt).map(([process]) => process);
    if (answered.length > 0 && answered.length < processes.size) {
      for (const process of address.turns) if (!answered.includes(process)) processes.delete(process);
      address.turns = answered;
    }
    address.askedAt = performance.now();
    this.#client.inNextRound(() => {
      const asking = [...address.seekers];
      const deadline = Math.max(0, ...asking.map((seeker) => seeker.deadline));
      this.#client.publishNow(addressChannel(address.name), this.#client.past.process, { deadline, repeat: true }).then(
        (count) => this.#asked(address, asking, Number(count)),
        (error: unknown) => {
          for (const seeker of asking) if (address.seekers.delete(seeker)) seeker.failed(toRedisError(error));
          if (address.seekers.size > 0) this.#ask(address);
        },
      );
    });
  }

  #asked(address: Address, asking: readonly Seeker[], count: number): void {
    if (count > 0) {
      // A process that is stopped does not answer, and another one may begin to serve.
      if (address.seekers.size > 0) this.#deadlines.setIn(address.askAgain, ASK_AGAIN_MS);
      return;
    }
    address.processes.clear();
    address.turns = [];
    for (const seeker of asking) if (address.seekers.delete(seeker)) seeker.found(undefined);
    // A process may have begun to serve before later seekers came.
    if (address.seekers.size > 0) this.#ask(address);
  }

  #askAgain(address: Address): void {
    for (const seeker of address.seekers) if (seeker.isOver) address.seekers.delete(seeker);
    if (address.seekers.size > 0) this.#ask(address);
  }
}

function takeAll<T>(set: Set<T>): readonly T[] {
  const all = [...set];
  set.clear();
  return all;
}
