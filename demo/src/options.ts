/** The command line of the demonstration. */

import { parseArgs } from 'node:util';

/** The command line, checked. */
export interface DemoOptions {
  /** The folder with the source files; undefined means this repository. */
  readonly path: string | undefined;
  readonly workers: number;
  /** SIGKILL a worker that holds a lease, at one third and at two thirds of the files. */
  readonly kill: boolean;
  /** SIGKILL the server after half of the files, and start it again on the same data. */
  readonly killServer: boolean;
  /** The bus to which the run moves after half of the files; undefined means that it stays. */
  readonly migrate: string | undefined;
}

/** A bad command line, folder or bus: printed without a stack, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

const HINT = 'See npm run demo -- --help.';

const MAX_WORKERS = 64;
const MAX_PATH = 4_096;

export const USAGE: string = `npm run demo [-- PATH] [--workers N] [--kill] [--kill-server | --migrate BUS]

Agents audit the source files under PATH (default: this repository) over the bus that MESSAGE_BUS names
(default: SQLite in a temporary folder).

  --workers N     worker processes, 1 to ${MAX_WORKERS} (default 2)
  --kill          SIGKILL a worker that holds a lease, at one third and at two thirds of the files
  --kill-server   SIGKILL the server after half of the files and start it again; the demonstration starts that server
                  itself, so MESSAGE_BUS must be a short name
  --migrate BUS   move the bus to BUS after half of the files, while all agents work; for a short name such as redis
                  the demonstration starts a server or makes a file, and a URL is a bus of yours

The report goes to stdout and into a file, progress goes to stderr. Exit code 0: every file has exactly one result.`;

/** Reads the command line; 'help' for `--help`. Throws {@link UsageError}. */
export function parseOptions(argv: readonly string[]): DemoOptions | 'help' {
  const { values, positionals } = parse(argv);
  if (values.help === true) return 'help';
  if (positionals.length > 1) throw new UsageError(`expected at most one PATH, not ${positionals.length}`, HINT);
  return {
    path: checkPath(positionals[0]),
    workers: parseWorkers(values.workers),
    kill: values.kill ?? false,
    killServer: values['kill-server'] ?? false,
    migrate: checkTarget(values.migrate, values['kill-server']),
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        workers: { type: 'string' },
        kill: { type: 'boolean' },
        'kill-server': { type: 'boolean' },
        migrate: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message.split(/\. |\n/)[0] ?? 'bad arguments', HINT);
  }
}

function checkPath(path: string | undefined): string | undefined {
  if (path === '') throw new UsageError('PATH is empty');
  if (path === undefined || (path.length <= MAX_PATH && !path.includes('\0'))) return path;
  throw new UsageError(`PATH ${JSON.stringify(path.slice(0, 40))} is too long or holds a NUL`);
}

function checkTarget(bus: string | undefined, killServer = false): string | undefined {
  if (bus === undefined) return undefined;
  if (killServer) throw new UsageError('--migrate and --kill-server exclude each other', 'Leave one of them out.');
  if (bus.trim() !== '') return bus;
  throw new UsageError('--migrate is empty', 'Name a bus, such as redis or sqlite:./other.db.');
}

function parseWorkers(text: string | undefined): number {
  if (text === undefined) return 2;
  const workers = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (workers >= 1 && workers <= MAX_WORKERS) return workers;
  throw new UsageError(
    `--workers ${JSON.stringify(text.slice(0, 40))} is not a whole number from 1 to ${MAX_WORKERS}`,
    HINT,
  );
}
