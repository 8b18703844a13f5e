/** Servers that the demonstration starts for itself, to kill them. */

import { missingServer, type ServerProgram, startNats, startRedis, type TempDir } from '@busbar/testbed';
import { UsageError } from '../options.ts';
import { startHub } from './hub.ts';

/** A throw-away server of a backend. Disposing of it kills it and removes its data. */
export interface Server extends AsyncDisposable {
  /** Where it is; the same after a restart. */
  readonly url: string;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same data; resolves once it serves. */
  start(): Promise<void>;
}

interface Kind {
  /** The program that has to be there. */
  readonly program?: ServerProgram;
  /** `folder` is one to throw away. */
  readonly start: (folder: TempDir) => Promise<Server>;
}

/** How long a hub outlives a run that was killed. */
const IDLE_MS = 5_000;

/** Backends with a server of their own, by the short names of their buses. */
const KINDS: Readonly<Record<string, Kind>> = {
  redis: { program: 'redis-server', start: () => startRedis() },
  nats: { program: 'nats-server', start: () => startNats() },
  unix: { start: (folder) => startHub(`unix:${folder.join('bus.sock')}?idleMs=${IDLE_MS}`) },
  zmq: { start: (folder) => startHub(`zmq:ipc://${folder.join('bus.zmq')}?idleMs=${IDLE_MS}`) },
  ws: { start: (folder) => startHub(`ws:${folder.join('bus.ws')}?idleMs=${IDLE_MS}`) },
};

/** Whether `bus` names a kind of server that can be started here. */
export function hasServer(bus: string): boolean {
  return Object.hasOwn(KINDS, bus);
}

/** Starts a server of the kind that `bus` names. Throws {@link UsageError} where there is none to start. */
export async function startServer(folder: TempDir, bus = 'sqlite'): Promise<Server> {
  const kind = hasServer(bus) ? KINDS[bus] : undefined;
  if (kind === undefined) throw refuse(bus);
  const missing = kind.program && missingServer(kind.program);
  if (missing !== undefined) throw new UsageError(missing);
  return kind.start(folder);
}

function refuse(bus: string): UsageError {
  const names = Object.keys(KINDS);
  const scheme = /^[^:]*/.exec(bus)?.[0] ?? '';
  if (bus === scheme || !names.includes(scheme)) {
    return new UsageError(`--kill-server: ${scheme} has no server to kill`, `those that have one: ${names.join(', ')}`);
  }
  return new UsageError(
    '--kill-server kills a server that it started itself, never one of yours',
    `MESSAGE_BUS=${scheme}, without an address, has it start one`,
  );
}
