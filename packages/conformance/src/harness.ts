/** What a backend supplies to be tested. */

import type { Transport } from '@busbar/api/transport';

/**
 * What a harness can do beyond opening clients. `processes`: open the same store from other processes (where its reach is
 * `process`: from one after the other). `reopen`: the
 * store outlives all its clients. `files`: the store is files of this machine that the case may look at and damage.
 * `server`: kill, restart and pause the server behind it, and break the wire to it. `spare`: that server is one of several, and
 * the others do its work while it is gone. `disk`: give a process a small or a read-only disk; the kit finds out itself whether
 * this machine can.
 */
export type Power = (typeof POWERS)[number];

/** All powers. */
export const POWERS = ['processes', 'reopen', 'files', 'server', 'spare', 'disk'] as const;

/** `smoke` is the short selection, `cluster` the one for several servers that work as one, `full` all there is. */
export type Profile = (typeof PROFILES)[number];

/** All profiles. */
export const PROFILES = ['smoke', 'cluster', 'full'] as const;

/** One backend under test. */
export interface Harness {
  /** Shown in the matrix, such as `sqlite`. */
  readonly name: string;
  /**
   * Makes a store of its own for one case, empty. A case of the power `server` asks for one with a server of its own, which
   * no other case uses; others may share one, in namespaces of their own.
   */
  store(needs?: StoreNeeds): Promise<HarnessStore>;
  /** Why a power is missing, one sentence each; a power without a reason here is there. */
  readonly missing?: Readonly<Partial<Record<Power, string>>>;
  /** There is no server behind it, so that what is about servers does not apply. */
  readonly serverless?: boolean;
  /** Its server is one of several, and the others do its work while it is gone (power `spare`). */
  readonly spare?: boolean;
  /** Clients that its server turns away; a text says why there can be no such client. */
  readonly strangers?: Readonly<Partial<Record<StrangerKind, (() => Promise<Stranger>) | string>>>;
  /** Why it cannot be tested here at all, such as a server that was not found. */
  readonly notTested?: string | undefined;
}

/** What a case needs of its store. */
export interface StoreNeeds {
  /** {@link HarnessStore.server} must be there. */
  readonly server: boolean;
}

/** The store of one case. */
export interface HarnessStore {
  /** Opens a further client. */
  open(): Promise<Transport>;
  /**
   * How another process opens a client: it imports `module` (a URL) and calls its export `name` with `argument`
   * (plain JSON), which resolves with a transport. Absent where the power `processes` is missing.
   */
  readonly opener?: Opener;
  /** Where its files are, where the power `files` is there. */
  readonly folder?: string;
  /** Its server, where {@link StoreNeeds.server} asked for it. */
  readonly server?: HarnessServer;
  /** Removes it. Every client is closed by then. */
  remove(): PromiseLike<void>;
}

/** The server of one store (power `server`), and the wire between it and its clients. */
export interface HarnessServer {
  /** Ends it with SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
  /** Ends it in order; resolves once it is gone. */
  stop(): Promise<void>;
  /** Starts it again at the same address with the same data; resolves once it serves. */
  start(): Promise<void>;
  /** SIGSTOP: it lives and answers nothing. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  readonly wire: Wire;
}

/**
 * Whom a server turns away. `wrongPassword`: gives a wrong password or token. `denied`: may log in, and use nothing.
 * `wrongAuthority`: does not trust the certificate of the server. `impostor`: is known as one agent and sends as another.
 */
export type StrangerKind = 'wrongPassword' | 'denied' | 'wrongAuthority' | 'impostor';

/** A client that is turned away. */
export interface Stranger {
  open(): Promise<Transport>;
  /** What may not show in any error. */
  readonly secrets: readonly string[];
  remove(): PromiseLike<void>;
}

/** What connects all clients of a store with its server; a fault holds until {@link Wire.heal}. */
export interface Wire {
  /** Where clients connect, for whoever writes there what no client would. */
  readonly endpoint: { readonly host: string; readonly port: number } | { readonly path: string };
  /** How many connections clients have asked for so far, refused ones included. */
  readonly accepted: number;
  /** Resets all connections; new ones are served. */
  cut(): void;
  /** Resets all connections, and each new one. */
  block(): void;
  /** Moves nothing any more, and neither end learns of it. */
  halfOpen(): void;
  /** Everything arrives this much later, in order, in both directions. */
  delay(delayMs: number): void;
  /** Ends the connection that carries the N-th byte to the server from now, right after that byte. */
  cutAfter(bytes: number): void;
  heal(): void;
}

/** How another process opens a client. */
export interface Opener {
  readonly module: string;
  readonly name: string;
  readonly argument: unknown;
}
