/** Time of `busbar send` above the start of Node: from source, as users install it, and by the wrapper that finds Node in a clone. */

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cost, type Figure, median } from '../figures.ts';
import type { Scenario } from './scenario.ts';

const PACKAGE = fileURLToPath(new URL('../../../packages/busbar', import.meta.url));
const BIN = join(PACKAGE, 'bin/busbar.js');
const WRAPPER = join(PACKAGE, '../../scripts/busbar');
const ROUNDS = 15;
const SEND = ['send', '@bench', 'hello'];

export const startup: Scenario = {
  title:
    'busbar send on SQLite from a shell, beside node -e 0 (median of 15, interleaved; installed and wrapper: the least)',
  alone: true,
  mostRuns: 1,
  seconds: () => 6,
  async run({ location: { folder } }) {
    // A shell does not have the options of this program.
    const env = { ...process.env, NODE_OPTIONS: '', MESSAGE_BUS: `sqlite:${folder}/bus.db` };
    const run = (program: string, ...args: string[]): number => timed(program, args, env);
    run(process.execPath, BIN, 'register', '@bench');
    const installed = installedBin(folder);
    const programs: Readonly<Record<string, readonly [program: string, ...args: string[]] | undefined>> = {
      empty: [process.execPath, '-e', '0'],
      send: [process.execPath, BIN, ...SEND],
      installed: installed === undefined ? undefined : [process.execPath, installed, ...SEND],
      wrapped: [WRAPPER, ...SEND],
    };
    const times: Record<string, number[]> = {};
    // The first round fills the cache of compiled code.
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const [name, program] of Object.entries(programs)) {
        if (program === undefined) continue;
        const ms = run(...program);
        if (round > 0) times[name] = [...(times[name] ?? []), ms];
      }
    }
    return figuresOf(times);
  },
};

function figuresOf({ empty = [], send = [], installed, wrapped = [] }: Readonly<Record<string, number[]>>): Figure[] {
  const least = (values: readonly number[]): number => Math.min(...values);
  return [
    cost('node -e 0', 'ms', median(empty)),
    cost('busbar send', 'ms', median(send)),
    cost('above', 'ms', median(send) - median(empty)),
    ...(installed === undefined ? [] : [cost('installed, above', 'ms', least(installed) - least(empty))]),
    cost('wrapper', 'ms', least(wrapped) - least(send)),
  ];
}

/** The command as the last build made it, away from its source; undefined without a build. */
function installedBin(folder: string): string | undefined {
  if (!existsSync(join(PACKAGE, 'dist/cli/main.js'))) return undefined;
  const home = join(folder, 'installed');
  mkdirSync(join(home, 'bin'), { recursive: true });
  for (const file of ['bin/busbar.js', 'package.json']) cpSync(join(PACKAGE, file), join(home, file));
  symlinkSync(join(PACKAGE, 'dist'), join(home, 'dist'));
  return join(home, 'bin/busbar.js');
}

function timed(program: string, args: readonly string[], env: NodeJS.ProcessEnv): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(program, args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  return performance.now() - began;
}
