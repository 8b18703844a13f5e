// Finds the programs of real servers.
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import programs from './programs.json' with { type: 'json' };

/** Programs of servers that tests start. */
export type ServerProgram = keyof typeof programs;

/** A program found on this machine. */
export interface FoundServer {
  readonly path: string;
  /** For example `7.0.15`. */
  readonly version: string;
}

/** Folders that a user's PATH may lack. */
const FOLDERS = ['/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin', '/opt/homebrew/bin'];

const found = new Map<string, FoundServer | undefined>();

/**
 * Finds a program: the path in its variable, the PATH, the usual folders, the cache that `scripts/servers.mjs` fills.
 * An empty variable means none. Programs that are too old are skipped, except the one in the variable.
 */
export function findServer(program: ServerProgram): FoundServer | undefined {
  const named = process.env[programs[program].variable];
  const key = `${program}=${named ?? ''}`;
  if (!found.has(key)) found.set(key, named === undefined ? search(program) : describe(named));
  return found.get(key);
}

/** Returns the reason why the server cannot be tested here, or undefined if it was found. */
export function missingServer(program: ServerProgram): string | undefined {
  if (findServer(program)) return undefined;
  const { variable, atLeast } = programs[program];
  return `${program} ${atLeast} or newer was not found; run \`npm test\`, or set ${variable} to its path`;
}

/**
 * Skips a test if its server is missing: `beforeEach(({ skip }) => needServer('redis-server', skip))`. The summary of the
 * run then shows NOT TESTED, and the run fails if `CI` is set.
 */
export function needServer(program: ServerProgram, skip: (note: string) => void): void {
  const reason = missingServer(program);
  if (reason !== undefined) skip(`NOT TESTED: ${reason}`);
}

/** As {@link findServer}, but throws if the program is missing. */
export function requireServer(program: ServerProgram): FoundServer {
  const server = findServer(program);
  if (server) return server;
  throw new Error(missingServer(program));
}

function search(program: ServerProgram): FoundServer | undefined {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'busbar', 'servers', 'bin');
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...FOLDERS, cache];
  for (const folder of new Set(folders)) {
    const server = folder === '' ? undefined : describe(join(folder, program));
    if (server && isAtLeast(server.version, programs[program].atLeast)) return server;
  }
  return undefined;
}

function describe(path: string): FoundServer | undefined {
  try {
    accessSync(path, constants.X_OK);
    const [version] = /\d+\.\d+\.\d+\S*/.exec(execFileSync(path, ['--version'], { encoding: 'utf8' })) ?? [];
    return version === undefined ? undefined : { path, version };
  } catch {
    return undefined;
  }
}

function isAtLeast(version: string, least: string): boolean {
  return version.localeCompare(least, 'en', { numeric: true }) >= 0;
}
