/** What a backend supplies to be tested. */

import type { Transport } from '@busbar/api/transport';
import type { Power } from './case.ts';

/** One backend under test. */
export interface Harness {
  /** Shown in the matrix, such as `sqlite`. */
  readonly name: string;
  /** Makes a store of its own for one case, empty. */
  store(): Promise<HarnessStore>;
  /** Why a power is missing, one sentence each; a power without a reason here is there. */
  readonly missing?: Readonly<Partial<Record<Power, string>>>;
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
  /** Removes it. Every client is closed by then. */
  remove(): PromiseLike<void>;
}

/** How another process opens a client. */
export interface Opener {
  readonly module: string;
  readonly name: string;
  readonly argument: unknown;
}
