// Runs the command as a shell does: a process of its own, in a temporary project.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type TempDir, tempDir } from '@busbar/testbed';

/** The command. */
export const bin: string = fileURLToPath(new URL('../bin/busbar.js', import.meta.url));

/** One run of the command. */
export interface Use {
  readonly args: readonly string[];
  /** Piped in. Default: nothing, as from /dev/null. */
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** When it is killed. Default 15,000. */
  readonly timeoutMs?: number;
}

/** The result of a run. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const TIMEOUT_MS = 15_000;
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A temporary project with its own bus. */
export interface Shell extends AsyncDisposable {
  readonly dir: TempDir;
  /** Runs `busbar` with these arguments. */
  run(...args: string[]): Promise<Ending>;
  /** Runs it with more said. */
  use(use: Use): Promise<Ending>;
  /** Starts it, and leaves it running. */
  start(use: Use): Started;
  /** Runs it, expects success, and returns stdout without the last newline. */
  out(...args: string[]): Promise<string>;
  /** The same, read as JSON lines. */
  json<T = Record<string, unknown>>(...args: string[]): Promise<T[]>;
}

/** A running command. */
export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ending>;
  /** Resolves once stdout holds `text`. */
  printed(text: string): Promise<void>;
  /** Resolves once stderr holds `text`. */
  said(text: string): Promise<void>;
}

/** Creates a project. `env` is for each of its commands. */
export function shell(env: NonNullable<Use['env']> = {}): Shell {
  const dir = tempDir('busbar-cli');
  const start = (use: Use): Started => launch({ cwd: dir.path, ...use, env: { ...env, ...use.env } });
  const use = (given: Use): Promise<Ending> => start(given).ended;
  const run = (...args: string[]): Promise<Ending> => use({ args });
  const out = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args);
    if (code !== 0) throw new Error(`busbar ${args.join(' ')} ended with ${code}\n${stderr}`);
    return stdout.replace(/\n$/, '');
  };
  const json = async <T>(...args: string[]): Promise<T[]> => {
    const text = await out(...args, '--json');
    return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as T);
  };
  return { dir, run, use, start, out, json, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

/** Variables of this process that must not reach the commands under test. */
const CLEAN = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => /^(BUSBAR_|MESSAGE_BUS|NO_COLOR|FORCE_COLOR|NODE_OPTIONS|VITEST|NODE_ENV)/.test(name))
    .map((name) => [name, undefined]),
);

function launch({ args, input, env, cwd, timeoutMs = TIMEOUT_MS }: Use): Started {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd,
    env: { ...process.env, ...CLEAN, RUN_BUILT: process.env['RUN_BUILT'], ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  running.add(child);
  let stdout = '';
  let stderr = '';
  const { promise: ended, resolve } = Promise.withResolvers<Ending>();
  const waiting = new Set<() => void>();
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (const check of waiting) check();
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const check of waiting) check();
  });
  child.stdin?.on('error', () => undefined);
  if (input !== undefined) child.stdin?.end(input);
  const timer = setTimeout(() => {
    stderr += `\n(killed after ${timeoutMs} ms)`;
    child.kill('SIGKILL');
  }, timeoutMs);
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    running.delete(child);
    resolve({ code, signal, stdout, stderr });
    for (const check of waiting) check();
  });
  const until = (holds: (text: string) => boolean, text: string): Promise<void> =>
    new Promise((done, fail) => {
      const check = (): void => {
        if (holds(text)) done();
        else if (child.exitCode !== null) fail(new Error(`it ended without printing ${text}\n${stdout}${stderr}`));
      };
      waiting.add(check);
      check();
    });
  const printed = (text: string): Promise<void> => until((one) => stdout.includes(one), text);
  const said = (text: string): Promise<void> => until((one) => stderr.includes(one), text);
  return { child, ended, printed, said };
}
