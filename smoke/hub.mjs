// A hub that runs on Node, for programs of users.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { userEnvironment } from './programs.mjs';

/**
 * Runs a hub, and `work` with each of its addresses.
 * @param {{ all: string, node: string, bin: string }} installed @param {(url: string) => void} work
 */
export async function withHub({ all, node, bin }, work) {
  const listen = ['--listen', 'unix:./hub.sock', '--listen', 'ws://127.0.0.1:0/bus'];
  const args = [bin, 'hub', '--store', 'memory:', ...listen, '--json'];
  const hub = spawn(node, args, { cwd: all, stdio: ['ignore', 'pipe', 'inherit'], env: userEnvironment() });
  try {
    const line = await new Promise((resolve, reject) => {
      createInterface(hub.stdout).once('line', resolve);
      hub.once('exit', (code) => reject(new Error(`the hub ended with ${code}`)));
    });
    for (const url of JSON.parse(line).addresses) work(url);
  } finally {
    hub.kill();
  }
}
