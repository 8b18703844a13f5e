/** Runs of the demonstration, each in folders of its own. */

import { mkdirSync } from 'node:fs';
import { type Child, type Outcome, runNode, spawnChild, type TempDir, tempDir } from '@busbar/testbed';
import { connect } from 'busbar';
import { makeTree } from './tree.ts';

/** The program. */
export const file = new URL('../src/main.ts', import.meta.url);
/** How long one run may take, in milliseconds. */
export const LONG = 90_000;

/** A tree, and folders for what the demonstration makes: temporary files, and a bus. */
export async function stage(files: number): Promise<AsyncDisposable & { files: number; dir: TempDir; tree: string }> {
  const dir = tempDir('demo-test');
  for (const name of ['tree', 'tmp']) mkdirSync(dir.join(name));
  const tree = dir.join('tree');
  return { dir, tree, files: makeTree(tree, files), [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

function environment(dir: TempDir, bus?: string): Record<string, string | undefined> {
  return { TMPDIR: dir.join('tmp'), MESSAGE_BUS: bus, INIT_CWD: undefined };
}

export function run(dir: TempDir, args: readonly string[], bus?: string): Promise<Outcome> {
  return runNode({ file, args, env: environment(dir, bus), cwd: dir.path, timeoutMs: LONG });
}

export function start(dir: TempDir, args: readonly string[], bus: string): Child {
  return spawnChild({ file, args, env: environment(dir, bus), cwd: dir.path });
}

export function lastLine({ stdout }: Outcome): string {
  return stdout.trimEnd().split('\n').at(-1) ?? '';
}

/** How much is kept in a namespace. */
export async function recordsIn(url: string, ns: string): Promise<number> {
  await using bus = await connect(url, { ns });
  let records = 0;
  for await (const { kind } of bus.transport.admin.exportState()) if (kind !== 'revision') records += 1;
  return records;
}
