// What was done to the store and the clients of a round, as far as the judge needs it.

import type { Capabilities } from '@busbar/api/transport';

/** A span of time on the clock of the facts. */
export interface Window {
  readonly from: number;
  to: number;
}

/** A loss of the store: it came back empty, or as it was at `savedAt`. */
export interface StoreLoss extends Readonly<Window> {
  readonly savedAt: number | undefined;
}

/** Everything that the judge needs besides the facts. */
export interface World {
  readonly capabilities: Capabilities;
  readonly crashes: readonly Window[];
  readonly losses: readonly StoreLoss[];
  /** Whether the wall clock of a client was wrong. */
  readonly hasWrongClocks: boolean;
  /** The clients and their present lives at the end. */
  readonly alive: readonly { readonly client: string; readonly life: number }[];
  /** The value of the counter at the end. */
  readonly counter: number;
  /** How many events the handlers of each job published. */
  readonly done: ReadonlyMap<string, number>;
}
