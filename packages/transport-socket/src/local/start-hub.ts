/** Starts a hub in the background where none listens: one, however many clients want it at once. */

import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { BusbarError, quote } from '@busbar/api/transport';
import { KernelLock } from './file-lock.ts';
import type { Probe } from './hub-lock.ts';
import { prepareFolder } from './socket-path.ts';

/** A program that serves at a path, and ends by itself when it is of no use. */
export interface HubProgram {
  readonly command: string;
  readonly args: readonly string[];
  /** Written to its standard input, which is closed then: for what nobody shall see in a list of processes. */
  readonly input?: string;
}

const LOOK_EVERY_MS = 8;
const MAX_SAID = 4_096;

/** What is to be started, and where it shows that it serves. */
export interface Start {
  readonly path: string;
  readonly program: HubProgram;
  readonly isListening: Probe;
}

/** Resolves once somebody serves at the path. Rejects with UNAVAILABLE where the program ends instead. */
export async function startHub({ path, program, isListening }: Start, signal: AbortSignal): Promise<void> {
  prepareFolder(path);
  while (!signal.aborted) {
    if (await isListening(path)) return;
    // Held by the client that starts one: the others wait for what it starts.
    const lock = await KernelLock.tryTake(`${path}.start`);
    if (lock === undefined) await sleep(LOOK_EVERY_MS * (1 + Math.random()));
    else {
      try {
        if (!(await isListening(path))) await run({ path, program, isListening }, signal);
        return;
      } finally {
        lock.release();
      }
    }
  }
}

async function run(
  { path, program: { command, args, input = '' }, isListening }: Start,
  signal: AbortSignal,
): Promise<void> {
  // In the root, so that it keeps no folder of its first client from being removed.
  const child = spawn(command, args, { detached: true, stdio: ['pipe', 'ignore', 'pipe'], cwd: '/' });
  // One that ends before it has read is told of by its end.
  child.stdin.on('error', () => undefined).end(input);
  let said = '';
  let end: string | undefined;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-MAX_SAID);
  });
  child.on('error', (error) => {
    end = error.message;
  });
  child.on('close', (code, killer) => {
    end ??= said.trim() || `it ended with ${code ?? killer}`;
  });
  try {
    while (!signal.aborted && !(await isListening(path))) {
      if (end !== undefined) throw notStarted(path, end);
      await sleep(LOOK_EVERY_MS);
    }
  } finally {
    child.stderr.destroy();
    child.unref();
  }
}

function notStarted(path: string, why: string): BusbarError {
  return new BusbarError('UNAVAILABLE', `the hub for ${quote(path)} could not be started: ${why}`, {
    hint: 'Run busbar hub there by hand to see what it says.',
    retryable: false,
  });
}
