/** A PostgreSQL server to throw away, for the peer that needs one. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { freePort, tempDir, waitFor } from '@busbar/testbed';
import pg from 'pg';
import type { Durability } from '../durability.ts';
import type { RunningServer } from './running-server.ts';

const NOBODY = 65_534;
const START_MS = 30_000;
/** Debian keeps them out of the PATH. */
const DEBIAN_FOLDERS = '/usr/lib/postgresql/*/bin';

interface Owner {
  readonly stdio: ['ignore', 'ignore', 'pipe'];
  readonly uid?: number;
  readonly gid?: number;
}

/** The folder of `postgres` and `initdb`; undefined if they are not on this machine. */
export function findPostgres(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...globSync(DEBIAN_FOLDERS).sort().reverse()];
  return folders.find((folder) => ['postgres', 'initdb'].every((program) => existsSync(join(folder, program))));
}

/** The version of {@link findPostgres}, for example `15.18`. */
export function postgresVersion(): string | undefined {
  const folder = findPostgres();
  if (folder === undefined) return undefined;
  return /\d+\.\d+/.exec(execFileSync(join(folder, 'postgres'), ['--version'], { encoding: 'utf8' }))?.[0];
}

/** Starts a server on a free port of 127.0.0.1, with its data in a folder of its own. */
export async function startPostgres(durability: Durability): Promise<RunningServer> {
  const programs = findPostgres() ?? '';
  const port = await freePort();
  await using stack = new AsyncDisposableStack();
  const { path: data } = stack.use(tempDir('busbar-postgres'));
  const user = ownerOf(data);
  execFileSync(join(programs, 'initdb'), ['-D', data, '-U', 'bench', '-A', 'trust', '-N', '--no-locale'], user);
  const settings = [
    ...[`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories='],
    ...[`fsync=${durability === 'power' ? 'on' : 'off'}`, `synchronous_commit=${durability === 'none' ? 'off' : 'on'}`],
  ];
  const child = spawn(join(programs, 'postgres'), ['-D', data, ...settings.flatMap((each) => ['-c', each])], user);
  const ended = once(child, 'exit');
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  stack.defer(async () => {
    // An immediate shutdown: the data is removed anyway.
    child.kill('SIGQUIT');
    await ended;
    process.off('exit', kill);
  });
  const url = `postgres://bench@127.0.0.1:${port}/postgres`;
  await waitFor(() => answers(url), { what: 'PostgreSQL to answer', timeoutMs: START_MS });
  const all = stack.move();
  return { url, pid: child.pid ?? -1, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** PostgreSQL refuses to run as root, so root gives the folder to nobody. */
function ownerOf(data: string): Owner {
  const stdio: Owner['stdio'] = ['ignore', 'ignore', 'pipe'];
  if (process.getuid?.() !== 0) return { stdio };
  chownSync(data, NOBODY, NOBODY);
  return { stdio, uid: NOBODY, gid: NOBODY };
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  await client.end();
  return true;
}
