// Starts hubs in processes of their own.
import { type Child, spawnChild, type TempDir, tempDir, waitFor } from '@busbar/testbed';
import { type HubProgram, hubStatus } from '../../src/index.ts';

/** The busbar command. */
export const PROGRAM: URL = new URL('../../../busbar/bin/busbar.js', import.meta.url);

/** A hub that listens on a Unix socket. */
export interface RunningHub extends AsyncDisposable {
  readonly path: string;
  readonly folder: TempDir;
  readonly child: Child;
}

/** Starts a hub over `store`, a URL in which `$` is the path of a file beside the socket. */
export async function startHub(store: string, args: readonly string[] = []): Promise<RunningHub> {
  const folder = tempDir('busbar-hub');
  const path = folder.join('hub.sock');
  const url = store.replace('$', `${path}.db`);
  const child = spawnChild({ file: PROGRAM, args: ['hub', '--store', url, '--listen', `unix:${path}`, ...args] });
  await whenServing(path);
  const dispose = async (): Promise<void> => {
    await child.kill();
    await folder[Symbol.asyncDispose]();
  };
  return { path, folder, child, [Symbol.asyncDispose]: dispose };
}

/** Resolves when a hub serves at the path. */
export async function whenServing(path: string): Promise<void> {
  await waitFor(() => hubStatus(`unix:${path}`), { what: 'the hub to serve', timeoutMs: 60_000 });
}

/** The program that starts a hub in the background, as in busbar. */
export function hubProgram(path: string, store: string, idleMs: number): HubProgram {
  const args = ['hub', '--store', store, '--listen', `unix:${path}`, '--idle', `${idleMs}ms`];
  return { command: process.execPath, args: [PROGRAM.pathname, ...args] };
}
