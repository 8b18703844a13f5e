/** What is measured: the same few verbs on a transport and on its peers. */

import type { Durability } from './options.ts';

/** Where a subject keeps its data, and how safely. */
export interface Place {
  readonly folder: string;
  readonly durability: Durability;
}

/** A verb a subject lacks is left out, and shown as such. */
export interface Client {
  /** Sends `count` messages with a JSON body of `bodyBytes`, at most `inFlight` at a time not yet acknowledged. */
  produce?(count: number, inFlight: number, bodyBytes: number): Promise<Produced>;
  /** Receives and settles `count` messages. Resolves when the last is settled. */
  consume?(count: number, inFlight: number): Promise<void>;
  /** Sends one message that says when that began. */
  ping?(): Promise<Ping>;
  /** Waits for messages of {@link ping} and remembers when each came, until {@link heard} takes them. */
  listen?(): Promise<void>;
  heard?(): Promise<readonly Heard[]>;
  /** Answers requests from now on. */
  answer?(): Promise<void>;
  /** Asks `count` times, `inFlight` at a time; how long each took, in milliseconds. */
  ask?(count: number, inFlight: number): Promise<readonly number[]>;
  close(): Promise<void>;
}

/** What became of a production. */
export interface Produced {
  /** The slowest send, in milliseconds. */
  readonly slowestMs: number;
}

/** A ping that was sent, on the shared clock. */
export interface Ping {
  readonly calledAt: number;
  readonly storedAt: number;
}

/** A ping that came. */
export interface Heard {
  readonly calledAt: number;
  readonly heardAt: number;
}

/** The clock that processes of one machine share, in milliseconds. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A JSON body of about `bytes` bytes. */
export function makeBody(index: number, bytes: number): { readonly index: number; readonly text: string } {
  return { index, text: 'x'.repeat(Math.max(0, bytes - 24 - String(index).length)) };
}
