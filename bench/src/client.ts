/** What is measured: the same few verbs on a transport and on its peers. */

import type { Durability } from './options.ts';

/** Where a subject keeps its data, and how safely. */
export interface Place {
  readonly folder: string;
  readonly durability: Durability;
  /** Of the server that was started for it; empty where it needs none. */
  readonly url: string;
  /** A free port of the loopback interface, for those that listen themselves. */
  readonly port: number;
}

/** What a message carries. */
export interface Body {
  readonly index: number;
  readonly text: string;
  /** When the call that sent it began, on the clock that the processes share. */
  readonly calledAt?: number;
}

/** Gets each body that arrives. */
export type Handle = (body: Body) => void;

/** Takes no more; resolves once all that was handled is settled. */
export type Stop = () => Promise<void>;

/** A verb that a subject lacks is left out; what it can is said in {@link Subject.can}. */
export interface Client {
  /** Puts messages into the work queue; resolves once all are acknowledged. */
  send?(bodies: readonly Body[]): Promise<void>;
  /** Handles and settles messages of the work queue, up to `inFlight` at a time. */
  work?(inFlight: number, handle: Handle): Promise<Stop>;
  /** Answers requests with the double of what they ask, from when this resolves. */
  answer?(): Promise<void>;
  ask?(value: number): Promise<unknown>;
  /** Gives an event to every subscriber; resolves once it is acknowledged, where there is such a thing. */
  publish?(body: Body): Promise<void>;
  /** Gets every event that is published after this resolved. */
  subscribe?(handle: Handle): Promise<void>;
  /** Waits as something does that is ready for work, as its users would have it. */
  attend?(): Promise<void>;
  close(): Promise<void>;
}

/** The clock that processes of one machine share, in milliseconds. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A body that is `bytes` bytes of JSON. */
export function makeBody(index: number, bytes: number): Body {
  return { index, text: 'x'.repeat(Math.max(0, bytes - 20 - String(index).length)) };
}
