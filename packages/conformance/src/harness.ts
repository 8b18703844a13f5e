/** What a backend supplies to be tested. */

import type { Transport } from '@busbar/api/transport';
import type { Power } from './case.ts';

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

/** What connects all clients of a store with its server; a fault holds until {@link Wire.heal}. */
export interface Wire {
  /** Resets all connections; new ones are served. */
  cut(): void;
  /** Resets all connections, and each new one. */
  block(): void;
  /** Moves nothing any more, and neither end learns of it. */
  halfOpen(): void;
  heal(): void;
}

/** How another process opens a client. */
export interface Opener {
  readonly module: string;
  readonly name: string;
  readonly argument: unknown;
}
