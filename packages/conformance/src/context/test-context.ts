/** Everything a case uses: clients of its store, counted assertions, recorded deliveries, processes. */

import type { Agent, AgentOptions, Bus, BusOptions } from '@busbar/api';
import type { Capabilities, Delivery, MessageInput, SendResult, Transport } from '@busbar/api/transport';
import type { HarnessFeature, HarnessServer, Profile, StoreOptions, UntrustedClient } from '../harness.ts';
import type { Confinement } from '../processes/confinement.ts';
import type { RemoteClient } from '../processes/remote-client.ts';
import type { Check } from './check.ts';
import type { Recorder } from './recorder.ts';
import type { Truthy } from './until.ts';

/** Created for each case with its own store. Closes and removes everything it opened. */
export interface TestContext {
  readonly capabilities: Capabilities;
  /** Features of the harness on this machine. */
  readonly harnessFeatures: ReadonlySet<HarnessFeature>;
  /** The profile of the run. A case may do more in `full`. */
  readonly profile: Profile;
  /** Counted assertions. */
  readonly check: Check;
  /** All deliveries of the case, as a multiset to check afterwards. */
  readonly recorder: Recorder;
  /** Returns a number in [0, 1) derived from the seed of the run. */
  random(): number;
  /** Opens another client of the store. */
  open(): Promise<Transport>;
  /** Opens another client with further options. Needs the harness feature `options`. */
  openWith(options: StoreOptions): Promise<Transport>;
  /** Adds `by` to the format version in the store, while no client is open. Needs the harness feature `format`. */
  shiftFormat(by: number): Promise<void>;
  /** Returns the first client, opened once. */
  transport(): Promise<Transport>;
  /** Opens a bus over another client. */
  bus(options?: BusOptions): Promise<Bus>;
  /** Opens an agent on its own bus. */
  agent(name: string, options?: AgentOptions): Promise<Agent>;
  /** Closes all clients and reopens the store. Needs the harness feature `reopen`. */
  reopen(): Promise<Transport>;
  /** Closes all clients of this process. Clients in other processes stay open. */
  closeAll(): Promise<void>;
  /** Starts a client in its own process. Needs the harness feature `processes`. */
  process(confinement?: Confinement): Promise<RemoteClient>;
  /** The server of the store and its network. Needs the harness feature `server`. */
  readonly server: HarnessServer;
  /** Opens the client of {@link import("../case.ts").ConformanceCase.untrustedClient}. */
  untrustedClient(): Promise<UntrustedClient>;
  /** Folder of the store. Needs the harness feature `files`. */
  readonly folder: string;
  /** Reopens the store in `folder` after damage. Rejects with the error of the opener. Needs `files`. */
  openFiles(): Promise<Transport>;

  /** Creates messages with the bodies `prefix0`, `prefix1`, … */
  messages(count: number, fields?: Partial<MessageInput>, prefix?: string): MessageInput[];
  /** Sends and asserts that all messages are stored. */
  send(transport: Transport, queue: string, messages: readonly MessageInput[]): Promise<SendResult[]>;
  /** Receives and records `count` deliveries without ack. Fails after `withinMs` (default 5,000). */
  receive(transport: Transport, queue: string, count: number, withinMs?: number): Promise<Delivery[]>;
  /** Asserts that nothing is delivered for `ms`. */
  nothing(transport: Transport, queue: string, ms: number): Promise<void>;
  /** Acks and asserts that each ack is done. */
  ack(transport: Transport, deliveries: readonly Delivery[]): Promise<void>;
  /** Resolves with the first truthy value of `condition`. Fails with `what` after `withinMs` (default 5,000). */
  until<T>(what: string, condition: () => T | Promise<T>, withinMs?: number): Promise<Truthy<T>>;
  /** Returns the body of a message as text. */
  text(message: { readonly body: Uint8Array }): string;
  /** Returns `ms` plus the declared granularity. */
  beyond(ms: number): number;
  /** Runs `work` when the case ends, passed or failed. */
  defer(work: () => void | Promise<void>): void;
}
