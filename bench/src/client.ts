/** The client of a target: the same few verbs for Busbar and its peers. */

import type { Durability } from './durability.ts';

/** Where a target keeps its data, and how safely. */
export interface TargetLocation {
  readonly folder: string;
  readonly durability: Durability;
  /** URL of the server that was started for it; empty without one. */
  readonly url: string;
  /** A free port of the loopback interface, for targets that listen themselves. */
  readonly port: number;
}

/** The body of a message. */
export interface Body {
  readonly index: number;
  readonly text: string;
  /** When its call began, on {@link sharedClockMs}. */
  readonly calledAt?: number;
}

/** Receives each body. If it throws, the attempt has failed; only targets of the scenario `failing` have to retry it. */
export type BodyHandler = (body: Body) => void;

/** Stops a worker; resolves once everything that it handled is settled. */
export type Stop = () => Promise<void>;

/** Verbs of a target; those that it lacks are left out. */
export interface Client {
  /** Sends messages to the work queue; resolves once all are acknowledged. */
  send?(bodies: readonly Body[]): Promise<void>;
  /** Handles and settles messages of the work queue, up to `inFlight` at a time. */
  work?(inFlight: number, handle: BodyHandler): Promise<Stop>;
  /** Responds to requests with the double of their value, from when this resolves. */
  respond?(): Promise<void>;
  request?(value: number): Promise<unknown>;
  /** Requests a response of `parts` numbers from 0 on, one after the other. */
  stream?(parts: number): AsyncIterable<unknown>;
  /** Publishes an event to every subscriber; resolves once it is acknowledged, if the target acknowledges. */
  publish?(body: Body): Promise<void>;
  /** Receives every event that is published after this resolved. */
  subscribe?(handle: BodyHandler): Promise<void>;
  /** Receives every stored event, from the first one on. */
  replay?(handle: BodyHandler): Promise<void>;
  /** Takes a lock that all processes share, as soon as it is free; resolves with its release. */
  lock?(): Promise<() => Promise<void>>;
  /** Waits for work in the way of the target's users. */
  idle?(): Promise<void>;
  /** Waits for work as an agent of that name, beside the verbs above. `handle` gets the bodies of its mail. */
  join?(name: string, handle: BodyHandler): Promise<void>;
  /** Sends to the mailbox of an agent, with the highest priority. */
  mail?(name: string, body: Body): Promise<void>;
  /** Receives one message of the work queue and keeps its lease, which lasts an hour from now on. */
  hold?(): Promise<void>;
  /** Begins to copy a history of events to another store, until the process ends. */
  copy?(load: { readonly events: number; readonly bodyBytes: number }): Promise<void>;
  close(): Promise<void>;
}

/** A clock that all processes of the machine share, in milliseconds. */
export function sharedClockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A body of `bytes` bytes as JSON. */
export function makeBody(index: number, bytes: number): Body {
  return { index, text: 'x'.repeat(Math.max(0, bytes - 20 - String(index).length)) };
}
