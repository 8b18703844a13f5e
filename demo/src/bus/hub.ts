/** A hub that the demonstration starts for itself, to kill it: its first client starts it, and so does the next one. */

import { isAlive, runNode, waitFor } from '@busbar/testbed';
import { connect } from 'busbar';
import type { Server } from './server.ts';

const COMMAND = new URL('../bin/busbar.js', import.meta.resolve('busbar'));

/** Starts the hub at `url`, which has to be one of those that are started by their clients. */
export async function startHub(url: string): Promise<Server> {
  let pid = await serve(url);
  const kill = async (): Promise<void> => {
    process.kill(pid, 'SIGKILL');
    await waitFor(() => !isAlive(pid), { what: 'the hub to be gone' });
  };
  return {
    url,
    kill,
    start: async () => {
      pid = await serve(url);
    },
    [Symbol.asyncDispose]: kill,
  };
}

/** Is a client for a moment. The process that serves it. */
async function serve(url: string): Promise<number> {
  await using _ = await connect(url);
  const { stdout, stderr } = await runNode({ file: COMMAND, args: ['hub', 'status', '--url', url, '--json'] });
  if (stdout === '') throw new Error(stderr.trim());
  return (JSON.parse(stdout) as { readonly pid: number }).pid;
}
