// How long `busbar send` takes above `node -e 0`, as users install it, and how much the wrapper adds that finds Node in a clone.
import { join } from 'node:path';
import { paths } from '../scripts/paths.mjs';
import { run } from './programs.mjs';

const ROUNDS = 15;

/**
 * Measures in turns, and takes the least of each. No time fails the step: machines differ.
 * @param {{ slim: string, node: string, bin: string }} installed
 * @returns {string} both figures
 */
export function measureStartup({ slim, node, bin }) {
  const env = { MESSAGE_BUS: 'sqlite:./startup.db' };
  const timed = (/** @type {string} */ program, /** @type {string[]} */ ...args) => {
    const began = performance.now();
    run(program, args, { cwd: slim, env });
    return performance.now() - began;
  };
  const send = ['send', '@startup', 'hello'];
  const clone = join(paths.root, 'packages/busbar/bin/busbar.js');
  const wrapper = join(paths.root, 'scripts/busbar');
  run(node, [bin, 'register', '@startup'], { cwd: slim, env });
  const programs = [
    () => timed(node, '-e', '0'),
    () => timed(node, bin, ...send),
    () => timed(node, clone, ...send),
    () => timed(wrapper, ...send),
  ];
  // The first round fills the cache of compiled code.
  for (const program of programs) program();
  const least = programs.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, program] of programs.entries()) least[index] = Math.min(least[index] ?? 0, program());
  }
  const [empty = 0, installed = 0, pinned = 0, wrapped = 0] = least;
  const above = `send takes ${(installed - empty).toFixed(1)} ms above the ${empty.toFixed(1)} ms of node -e 0 (bar 45)`;
  return `${above}, the wrapper of a clone ${(wrapped - pinned).toFixed(1)} ms more (bar 30)`;
}
