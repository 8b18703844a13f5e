/** Servers and hubs that the demonstration starts, kills and starts again. */

import {
  isAlive,
  missingServer,
  runNode,
  type ServerProgram,
  startNats,
  startRedis,
  type TempDir,
  waitFor,
} from '@busbar/testbed';
import { connect } from 'busbar';
import { UsageError } from '../options.ts';

/** A server with temporary data. Disposing of it kills it and removes the data. */
export interface Server extends AsyncDisposable {
  /** Its URL, which a restart does not change. */
  readonly url: string;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same data; resolves once it serves. */
  start(): Promise<void>;
}

const COMMAND = new URL('../bin/busbar.js', import.meta.resolve('busbar'));
/** A hub ends this long after its last client, also when the run was killed. */
const IDLE_MS = 5_000;

/** Backends that have a server, by short name; `folder` is temporary. */
const STARTERS: Readonly<Record<string, (folder: TempDir) => Promise<Server>>> = {
  redis: () => startProgram('redis-server', startRedis),
  nats: () => startProgram('nats-server', startNats),
  unix: (folder) => startHub(`unix:${folder.join('bus.sock')}?idleMs=${IDLE_MS}`),
  zmq: (folder) => startHub(`zmq:ipc://${folder.join('bus.zmq')}?idleMs=${IDLE_MS}`),
  ws: (folder) => startHub(`ws:${folder.join('bus.ws')}?idleMs=${IDLE_MS}`),
};

/** True when the demonstration can start a server for the backend that `bus` names. */
export function hasServer(bus: string): boolean {
  return Object.hasOwn(STARTERS, bus);
}

/** Starts a server for the backend that `bus` names. Throws {@link UsageError} when it has none. */
export async function startServer(folder: TempDir, bus = 'sqlite'): Promise<Server> {
  const start = hasServer(bus) ? STARTERS[bus] : undefined;
  if (start !== undefined) return start(folder);
  const names = Object.keys(STARTERS);
  const scheme = /^[^:]*/.exec(bus)?.[0] ?? '';
  if (bus === scheme || !names.includes(scheme)) {
    throw new UsageError(`--kill-server: ${scheme} has no server to kill`, `Backends with one: ${names.join(', ')}.`);
  }
  throw new UsageError(
    '--kill-server kills a server that it started itself, never yours',
    `With MESSAGE_BUS=${scheme} it starts one.`,
  );
}

async function startProgram(program: ServerProgram, start: () => Promise<Server>): Promise<Server> {
  const missing = missingServer(program);
  if (missing !== undefined) throw new UsageError(missing);
  return start();
}

/** The first client of a local hub starts it, so a client that comes and goes is all it takes. */
async function startHub(url: string): Promise<Server> {
  let pid = await connectOnce(url);
  const kill = async (): Promise<void> => {
    process.kill(pid, 'SIGKILL');
    await waitFor(() => !isAlive(pid), { what: 'the end of the hub' });
  };
  const start = async (): Promise<void> => {
    pid = await connectOnce(url);
  };
  return { url, kill, start, [Symbol.asyncDispose]: kill };
}

/** Resolves to the process id of the hub. */
async function connectOnce(url: string): Promise<number> {
  await using _ = await connect(url);
  const { stdout, stderr } = await runNode({ file: COMMAND, args: ['hub', 'status', '--url', url, '--json'] });
  if (stdout === '') throw new Error(stderr.trim());
  return (JSON.parse(stdout) as { readonly pid: number }).pid;
}
