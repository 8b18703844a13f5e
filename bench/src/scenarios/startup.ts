/** Time of `busbar send` above the start of Node: from source, as users install it, and behind the wrapper for an older Node. */

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cost, type Figure, median } from '../figures.ts';
import type { Scenario } from './scenario.ts';

const PACKAGE = fileURLToPath(new URL('../../../packages/busbar', import.meta.url));
const BIN = join(PACKAGE, 'bin/busbar.js');
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
    const run = (node: string, ...args: string[]): number => timed(node, args, env);
    run(process.execPath, BIN, 'register', '@bench');
    const installed = installedBin(folder);
    const older = olderNode();
    const programs: Readonly<Record<string, readonly [node: string, ...args: string[]] | undefined>> = {
      empty: [process.execPath, '-e', '0'],
      send: [process.execPath, BIN, ...SEND],
      installed: installed === undefined ? undefined : [process.execPath, installed, ...SEND],
      wrapped: older === undefined ? undefined : [older, BIN, ...SEND],
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

function figuresOf({ empty = [], send = [], installed, wrapped }: Readonly<Record<string, number[]>>): Figure[] {
  const least = (values: readonly number[]): number => Math.min(...values);
  return [
    cost('node -e 0', 'ms', median(empty)),
    cost('busbar send', 'ms', median(send)),
    cost('above', 'ms', median(send) - median(empty)),
    ...(installed === undefined ? [] : [cost('installed, above', 'ms', least(installed) - least(empty))]),
    ...(wrapped === undefined ? [] : [cost('wrapper', 'ms', least(wrapped) - least(send))]),
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

/** The Node of the machine, if the command needs its wrapper there. */
function olderNode(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((one) => !one.includes('node_modules'));
  const env = { ...process.env, NODE_OPTIONS: '', PATH: folders.join(delimiter) };
  const { status, stdout } = spawnSync('node', ['-p', 'process.execPath + " " + process.versions.node'], {
    env,
    encoding: 'utf8',
  });
  const [path, version = '99'] = status === 0 ? stdout.trim().split(' ') : [];
  return Number.parseInt(version, 10) < 24 ? path : undefined;
}

function timed(node: string, args: readonly string[], env: NodeJS.ProcessEnv): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(node, args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  return performance.now() - began;
}
