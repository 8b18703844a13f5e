/** Servers that the demonstration starts for itself, to kill them. */

import { UsageError } from './options.ts';

/** A throw-away server of a backend. */
export interface Server extends AsyncDisposable {
  /** Where it is; the same after a restart. */
  readonly url: string;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same data; resolves once it takes connections. */
  restart(): Promise<void>;
}

/** Starts a server whose data are in `folder`. */
export type ServerStarter = (folder: string) => Promise<Server>;

/** Backends with a server of their own, by the scheme of their URLs. None in this version: each brings its row. */
const STARTERS: Readonly<Record<string, ServerStarter>> = {};

/** Starts a server of the kind that `bus` names, a URL or a short name. Throws {@link UsageError} where there is none. */
export async function startServer(bus: string, folder: string): Promise<Server> {
  const scheme = /^[^:]*/.exec(bus)?.[0] ?? '';
  const start = STARTERS[scheme];
  if (start !== undefined) return start(folder);
  const names = Object.keys(STARTERS).join(', ') || 'none in this version';
  throw new UsageError(`--kill-server: ${scheme} has no server to kill. Backends that have one: ${names}`);
}
