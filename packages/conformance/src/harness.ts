/** The harness: everything the suite needs to test a backend. */

import type { Capabilities, Transport } from '@busbar/api/transport';

/**
 * Features of a harness beyond opening clients:
 * - `processes`: other processes can open the store; with the reach `process` one after the other.
 * - `reopen`: the store outlives its clients.
 * - `files`: the store consists of files that a case may read and damage.
 * - `server`: a case can kill, restart and pause the server, and break the network to it.
 * - `spare`: the server is one of several that replace it while it is down.
 * - `options`: a client can be opened with further options.
 * - `format`: the format version in the store can be changed.
 * - `loss`: the store can lose its data while clients are open.
 * - `disk`: a process can get a small or a read-only disk. The suite detects this itself.
 */
export type HarnessFeature = (typeof HARNESS_FEATURES)[number];

/** All harness features. */
export const HARNESS_FEATURES = [
  'processes',
  'reopen',
  'files',
  'server',
  'spare',
  'options',
  'format',
  'loss',
  'disk',
] as const;

/** `smoke` is a short selection, `cluster` is for a cluster of servers, `full` is everything. */
export type Profile = (typeof PROFILES)[number];

/** All profiles. */
export const PROFILES = ['smoke', 'cluster', 'full'] as const;

/** One backend under test. */
export interface Harness {
  /** Name in the matrix, such as `sqlite`. */
  readonly name: string;
  /**
   * Creates an empty store for one case. A case with the feature `server` requests a store with its own server, which no
   * other case uses. Other cases may share a server, each in its own namespace.
   */
  store(needs?: StoreNeeds): Promise<HarnessStore>;
  /** Missing features, each with a reason in one sentence. Features without a reason are present. */
  readonly missing?: Readonly<Partial<Record<HarnessFeature, string>>>;
  /** True if the backend has no server. Cases about servers do not apply then. */
  readonly serverless?: boolean;
  /** True if its server is one of several that replace it while it is down (feature `spare`). */
  readonly spare?: boolean;
  /** Clients that its server rejects. A text is the reason why there is no such client. */
  readonly untrustedClients?: Readonly<Partial<Record<UntrustedClientKind, (() => Promise<UntrustedClient>) | string>>>;
  /** The reason why this machine cannot test it, such as a missing server program. */
  readonly notTested?: string | undefined;
}

/** Requirements of a case for its store. */
export interface StoreNeeds {
  /** True if {@link HarnessStore.server} or {@link HarnessStore.loss} is required. */
  readonly server: boolean;
}

/** The store of one case. */
export interface HarnessStore {
  /** Opens another client. */
  open(): Promise<Transport>;
  /** Opens another client with further options, such as `retention`. Absent if the feature `options` is missing. */
  openWith?(options: StoreOptions): Promise<Transport>;
  /** Adds `by` to the format version in the store, while no client is open. Absent if the feature `format` is missing. */
  shiftFormat?(by: number): Promise<void>;
  /**
   * How another process opens a client: it imports `module` (a URL) and calls its export `name` with `argument` (plain
   * JSON), which resolves with a transport. Absent if the feature `processes` is missing.
   */
  readonly opener?: Opener;
  /** The folder of its files, if the feature `files` is present. */
  readonly folder?: string;
  /** Its server, if {@link StoreNeeds.server} is true. */
  readonly server?: HarnessServer;
  /** What makes it lose its data, if {@link StoreNeeds.server} is true and the feature `loss` is present. */
  readonly loss?: HarnessLoss;
  /** Removes the store. All clients are closed before. */
  remove(): PromiseLike<void>;
}

/** Makes a store lose its data, as an operator or a crash would (feature `loss`). */
export interface HarnessLoss {
  /** Copies the present data, for `lose('saved')`. Absent for a store that keeps nothing. */
  save?(): Promise<void>;
  /** Replaces the data by nothing or by the copy, while clients are open. Resolves when the store can be used. */
  lose(to: 'nothing' | 'saved'): Promise<void>;
}

/** Options of a backend by name, legal or not. */
export type StoreOptions = Readonly<Record<string, unknown>>;

/** The server of one store (feature `server`), and the network between it and its clients. */
export interface HarnessServer {
  /** Sends SIGKILL. Resolves when the server has ended. */
  kill(): Promise<void>;
  /** Shuts the server down. Resolves when it has ended. */
  stop(): Promise<void>;
  /** Restarts it at the same address with the same data. Resolves when it accepts clients. */
  start(): Promise<void>;
  /** Sends SIGSTOP: the server is alive and does not respond. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  readonly network: HarnessNetwork;
}

/**
 * Kinds of clients that a server rejects. `wrongPassword`: has a wrong password or token. `denied`: may log in but has no
 * rights. `wrongAuthority`: does not trust the server's certificate. `impostor`: is authenticated as one agent and sends as
 * another.
 */
export type UntrustedClientKind = 'wrongPassword' | 'denied' | 'wrongAuthority' | 'impostor';

/** A client that the server rejects. */
export interface UntrustedClient {
  open(): Promise<Transport>;
  /** Texts that no error may contain. */
  readonly secrets: readonly string[];
  remove(): PromiseLike<void>;
}

/** The network between all clients of a store and its server. A fault lasts until {@link HarnessNetwork.heal}. */
export interface HarnessNetwork {
  /** The address clients connect to. Cases write invalid data to it. */
  readonly endpoint: { readonly host: string; readonly port: number } | { readonly path: string };
  /** Number of connection attempts so far, including refused ones. */
  readonly accepted: number;
  /** Resets all connections. New ones are accepted. */
  cut(): void;
  /** Resets all connections and each new one. */
  block(): void;
  /** Transfers no more data, without closing either end. */
  halfOpen(): void;
  /** Delays all data in both directions, in order. */
  delay(delayMs: number): void;
  /** Resets the connection that carries the N-th next byte to the server, right after that byte. */
  cutAfter(bytes: number): void;
  heal(): void;
}

/** How another process opens a client. */
export interface Opener {
  readonly module: string;
  readonly name: string;
  readonly argument: unknown;
}

/** Opens a client of a new store to read its capabilities. */
export async function readCapabilities(createStore: () => Promise<HarnessStore>): Promise<Capabilities> {
  const { open, remove } = await createStore();
  try {
    await using transport = await open();
    return transport.capabilities;
  } finally {
    await remove();
  }
}
