/** Starts a hub in the background. Clients that race for the same path start one hub between them. */

import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { BusbarError, quote } from '@busbar/api/transport';
import { prepareFolder } from '@busbar/wire';
import { FileLock } from './file-lock.ts';
import type { ListeningProbe } from './listen-at-path.ts';

/** A program that runs a hub. It must end by itself when no client uses it. */
export interface HubProgram {
  readonly command: string;
  readonly args: readonly string[];
  /** Text for its standard input, for secrets that must not show in a list of processes. */
  readonly input?: string | undefined;
}

const POLL_MS = 8;
const MAX_STDERR = 4_096;

/** Which program to start, and how to find out that it serves. */
export interface HubStart {
  readonly path: string;
  readonly program: HubProgram;
  readonly isListening: ListeningProbe;
}

/** Resolves when a hub serves at the path. Rejects with UNAVAILABLE if the program ends first. */
export async function startHub(start: HubStart, signal: AbortSignal): Promise<void> {
  const { path, isListening } = start;
  prepareFolder(path);
  while (!signal.aborted) {
    if (await isListening(path)) return;
    // One client holds it and starts the hub; the others wait for that hub.
    const lock = await FileLock.tryTake(`${path}.start`);
    if (lock === undefined) await sleep(POLL_MS * (1 + Math.random()));
    else {
      try {
        if (!(await isListening(path))) await run(start, signal);
        return;
      } finally {
        lock.release();
      }
    }
  }
}

async function run({ path, program, isListening }: HubStart, signal: AbortSignal): Promise<void> {
  const { command, args, input = '' } = program;
  // Runs in the root folder, so that the first client's folder can still be removed.
  const child = spawn(command, args, { detached: true, stdio: ['pipe', 'ignore', 'pipe'], cwd: '/' });
  // A child that ends before it reads the input is reported by its exit.
  child.stdin.on('error', () => undefined).end(input);
  let stderr = '';
  let failure: string | undefined;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-MAX_STDERR);
  });
  child.on('error', (error) => {
    failure = error.message;
  });
  child.on('close', (code, signalName) => {
    failure ??= stderr.trim() || `it ended with ${code ?? signalName}`;
  });
  try {
    while (!signal.aborted && !(await isListening(path))) {
      if (failure !== undefined) throw notStarted(path, failure);
      await sleep(POLL_MS);
    }
  } finally {
    child.stderr.destroy();
    child.unref();
  }
}

/** The command prints its error and a hint on a line each. */
function notStarted(path: string, output: string): BusbarError {
  const [, reason = output] = /^busbar: (.+)$/m.exec(output) ?? [];
  const [, hint = 'Run busbar hub by hand to see its error.'] = /^hint: (.+)$/m.exec(output) ?? [];
  return new BusbarError('UNAVAILABLE', `the hub for ${quote(path)} could not be started: ${reason}`, {
    hint,
    retryable: false,
  });
}
