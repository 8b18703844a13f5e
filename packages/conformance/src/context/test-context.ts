/** What a case works with: clients of its own store, assertions that are counted, recorded deliveries, processes. */

import type { Agent, AgentOptions, Bus, BusOptions } from '@busbar/api';
import type { Capabilities, Delivery, MessageInput, SendResult, Transport } from '@busbar/api/transport';
import type { HarnessServer, Power, Profile, Stranger } from '../harness.ts';
import type { Confinement } from '../processes/confinement.ts';
import type { RemoteClient } from '../processes/remote-client.ts';
import type { Check } from './check.ts';
import type { Recorder } from './recorder.ts';
import type { Truthy } from './until.ts';

/** Made anew for each case, in a namespace that no other case sees; closes and removes all it made. */
export interface Lab {
  readonly capabilities: Capabilities;
  /** What the harness can do here. */
  readonly powers: ReadonlySet<Power>;
  /** Whether it is the short selection or all there is; a case may do more in the latter. */
  readonly profile: Profile;
  /** Assertions; each is counted. */
  readonly check: Check;
  /** Every delivery that the case saw, as a multiset, to be judged afterwards. */
  readonly recorder: Recorder;
  /** A number in [0, 1) from the seed of the run. */
  random(): number;
  /** A further client of the case's store. */
  open(): Promise<Transport>;
  /** The first client: opened once, then the same. */
  transport(): Promise<Transport>;
  /** A bus over a further client. */
  bus(options?: BusOptions): Promise<Bus>;
  /** A further agent on a bus of its own. */
  agent(name: string, options?: AgentOptions): Promise<Agent>;
  /** Closes every client and opens the store anew. Needs the power `reopen`. */
  reopen(): Promise<Transport>;
  /** Closes every client that this lab opened here; those in other processes stay. */
  closeAll(): Promise<void>;
  /** A client in a process of its own. Needs the power `processes`. */
  process(confinement?: Confinement): Promise<RemoteClient>;
  /** The server behind the store, and the wire to it. Needs the power `server`. */
  readonly server: HarnessServer;
  /** The client that {@link import("../case.ts").ConformanceCase.stranger} asked for. */
  stranger(): Promise<Stranger>;
  /** Folder of the store. Needs the power `files`. */
  readonly folder: string;
  /** Opens the store behind `folder` again after it was damaged; rejects as the opener does. Needs `files`. */
  openFiles(): Promise<Transport>;

  /** Messages with the bodies `prefix0`, `prefix1`, … */
  messages(count: number, fields?: Partial<MessageInput>, prefix?: string): MessageInput[];
  /** Sends, and asserts that all were stored. */
  send(transport: Transport, queue: string, messages: readonly MessageInput[]): Promise<SendResult[]>;
  /** Receives until `count` deliveries are there (recorded), or fails after `withinMs` (default 5,000). Does not ack. */
  receive(transport: Transport, queue: string, count: number, withinMs?: number): Promise<Delivery[]>;
  /** Asserts that nothing is delivered for `ms` (a declared negative window). */
  nothing(transport: Transport, queue: string, ms: number): Promise<void>;
  /** Acks, and asserts that each is done. */
  ack(transport: Transport, deliveries: readonly Delivery[]): Promise<void>;
  /** Resolves when `condition` gives a truthy value, and with it; fails after `withinMs` (default 5,000) and says `what`. */
  until<T>(what: string, condition: () => T | Promise<T>, withinMs?: number): Promise<Truthy<T>>;
  /** The body of a message as text. */
  text(message: { readonly body: Uint8Array }): string;
  /** Time for the negative side of a wait: `ms` plus the declared granularity. */
  beyond(ms: number): number;
  /** Runs `work` when the case ends, whatever became of it. */
  defer(work: () => void | Promise<void>): void;
}
