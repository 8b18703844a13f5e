// Runs a program to its end.
import { type ChildOptions, type ExitStatus, spawnChild } from './child.ts';

/** Options of {@link runNode}. */
export interface RunOptions extends ChildOptions {
  /** Written to its standard input, which is then closed. */
  readonly input?: string;
  /** Default 15,000. Afterwards the program is killed and the call fails. */
  readonly timeoutMs?: number;
}

/** Exit status and output of the program. */
export interface Outcome extends ExitStatus {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a TypeScript or JavaScript file. Resolves for any exit status. */
export async function runNode(options: RunOptions): Promise<Outcome> {
  const { input = '', timeoutMs = 15_000 } = options;
  await using child = spawnChild(options);
  child.stdin?.end(input);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void child.kill();
  }, timeoutMs);
  const status = await child.exited;
  clearTimeout(timer);
  const { stdout, stderr } = child;
  if (late) throw new Error(`${options.file} did not end within ${timeoutMs} ms\n${stdout}${stderr}`);
  return { ...status, stdout, stderr };
}
