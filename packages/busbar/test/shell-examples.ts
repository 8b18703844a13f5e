// Runs the scripts of examples/shell in a project of their own, with `busbar` on the PATH.
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { bin, shell } from './shell.ts';

/** The folder of the examples. */
export const EXAMPLES: string = fileURLToPath(new URL('../../../examples/shell/', import.meta.url));

/** Runs all scripts on the bus that `urlIn` names, and checks what they did. */
export async function runExamples(urlIn: (folder: string) => string): Promise<void> {
  await using project = shell();
  const { dir } = project;
  const url = urlIn(dir.path);
  mkdirSync(dir.join('bin'));
  writeFileSync(dir.join('bin/busbar'), `#!/bin/sh\nexec "${process.execPath}" "${bin}" "$@"\n`);
  chmodSync(dir.join('bin/busbar'), 0o755);
  const env = { ...process.env, MESSAGE_BUS: url, PATH: `${dir.join('bin')}:${process.env['PATH']}`, NODE_OPTIONS: '' };
  const run = async (name: string): Promise<string> =>
    (await promisify(execFile)('bash', [`${EXAMPLES}${name}.sh`], { cwd: dir.path, env, timeout: 60_000 })).stdout;

  expect(await run('validate-token')).toBe('{"valid":true}\n');
  await run('login-events');
  for (const name of ['audit', 'greeting']) {
    const users = linesOf(dir.join(`${name}.jsonl`)).map((line) => JSON.parse(line) as { body: { userId: number } });
    expect(users.map(({ body }) => body.userId).sort()).toEqual([1, 2]);
  }
  await run('priority-tasks');
  expect(linesOf(dir.join('ids.txt'))).toHaveLength(100);
  const done = linesOf(dir.join('done.txt')).map((line) => Number(line.split(' ')[0]));
  expect([...done].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  // Three run at a time, so only the last urgent ones can be overtaken.
  expect(done.slice(0, 47).filter((number) => number % 2 === 1)).toEqual([]);
  if (url.startsWith('unix:')) await project.use({ args: ['hub', 'stop'], env: { MESSAGE_BUS: url } });
}

function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8').trimEnd().split('\n');
}
