// Where the programs of real servers are.
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs of servers that tests start. */
export type ServerProgram = 'redis-server' | 'nats-server';

/** A program that was found. */
export interface FoundServer {
  readonly path: string;
  /** Such as `7.0.15`. */
  readonly version: string;
}

/** Set to the path of a program that is to be used instead; to an empty one: act as if there were none. */
const VARIABLES: Readonly<Record<ServerProgram, string>> = {
  'redis-server': 'BUSBAR_REDIS_SERVER',
  'nats-server': 'BUSBAR_NATS_SERVER',
};

/** Folders that a user's PATH may lack. */
const FOLDERS = ['/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin', '/opt/homebrew/bin'];

const found = new Map<string, FoundServer | undefined>();

/** Looks for a program: named by its variable, on the PATH, in the usual folders. Undefined where there is none that runs. */
export function findServer(program: ServerProgram): FoundServer | undefined {
  const named = process.env[VARIABLES[program]];
  const key = `${program}=${named ?? ''}`;
  if (!found.has(key)) found.set(key, named === undefined ? search(program) : describe(named));
  return found.get(key);
}

/** Why nothing can be tested on a server here: it was not found. Undefined where it was. */
export function missingServer(program: ServerProgram): string | undefined {
  if (findServer(program)) return undefined;
  return `${program} was not found; install it, or name it in ${VARIABLES[program]}`;
}

/**
 * Skips a test that needs a server where there is none; the summary of the run then says NOT TESTED, and fails where `CI`
 * is set: `beforeEach(({ skip }) => needServer('redis-server', skip))`.
 */
export function needServer(program: ServerProgram, skip: (note: string) => void): void {
  const reason = missingServer(program);
  if (reason !== undefined) skip(`NOT TESTED: ${reason}`);
}

/** As {@link findServer}; throws where there is none. */
export function requireServer(program: ServerProgram): FoundServer {
  const server = findServer(program);
  if (server) return server;
  throw new Error(missingServer(program));
}

function search(program: ServerProgram): FoundServer | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...FOLDERS];
  for (const folder of new Set(folders)) {
    const server = folder === '' ? undefined : describe(join(folder, program));
    if (server) return server;
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
