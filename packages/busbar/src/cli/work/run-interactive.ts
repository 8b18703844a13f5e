/** Runs a command with the terminal of this process, for `lock` and `semaphore`. */

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Environment } from '../../config/locate-bus.ts';
import type { Session } from '../session.ts';
import type { CommandLine } from './program.ts';

/** How to run it. */
export interface InteractiveRun {
  readonly command: CommandLine;
  readonly env: Environment;
  /** Ends the command when it fires. */
  readonly lost: AbortSignal;
}

/** After SIGTERM the command has this long before SIGKILL. */
const KILL_MS = 5_000;

/**
 * Runs a command to its end. Resolves with its exit code, as a shell reports it. The command gets the first signal of this
 * process, and SIGKILL with the second one.
 */
export async function runInteractive(session: Session, { command, env, lost }: InteractiveRun): Promise<number> {
  const { signal } = session;
  void session.drainOnSignal().then(() => child.kill('SIGKILL'));
  const [program, ...args] = command;
  const child = spawn(program, args, { env, stdio: 'inherit' });
  const { promise: ended, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', reject).once('exit', (code, name) => {
    resolve(code ?? 128 + (name === null ? 0 : constants.signals[name]));
  });
  // A terminal sends Ctrl-C to the command too.
  const pass = (): boolean =>
    (session.interruptedBy === 'SIGINT' && process.stdin.isTTY) || child.kill(session.interruptedBy);
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    child.kill('SIGTERM');
    timer = setTimeout(() => child.kill('SIGKILL'), KILL_MS);
  };
  signal.addEventListener('abort', pass, { once: true });
  lost.addEventListener('abort', end, { once: true });
  if (signal.aborted) pass();
  if (lost.aborted) end();
  try {
    return await ended;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', pass);
    lost.removeEventListener('abort', end);
  }
}
