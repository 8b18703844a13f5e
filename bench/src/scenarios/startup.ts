/** Time of `busbar send` above the start of Node. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cost, median } from '../figures.ts';
import type { Scenario } from './scenario.ts';

const BIN = fileURLToPath(new URL('../../../packages/busbar/bin/busbar.js', import.meta.url));
const ROUNDS = 15;

export const startup: Scenario = {
  title: 'busbar send on SQLite from a shell, beside node -e 0 (median of 15, interleaved)',
  alone: true,
  mostRuns: 1,
  seconds: () => 3,
  async run({ location: { folder } }) {
    // A shell does not have the options of this program.
    const env = { ...process.env, NODE_OPTIONS: '', MESSAGE_BUS: `sqlite:${folder}/bus.db` };
    const run = (args: readonly string[]): number => timed([BIN, ...args], env);
    run(['register', '@bench']);
    run(['send', '@bench', 'hello']);
    const empty: number[] = [];
    const send: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      empty.push(timed(['-e', '0'], env));
      send.push(run(['send', '@bench', 'hello']));
    }
    return [
      cost('node -e 0', 'ms', median(empty)),
      cost('busbar send', 'ms', median(send)),
      cost('above', 'ms', median(send) - median(empty)),
    ];
  },
};

function timed(args: readonly string[], env: NodeJS.ProcessEnv): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  return performance.now() - began;
}
