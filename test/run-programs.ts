/** Runs programs one after another in this process, each with a bus of its own, and prints their output as JSON. */

import { basename } from 'node:path';
import { format } from 'node:util';

const [kind, folder, ...files] = process.argv.slice(2);
const { log } = console;
let lines: string[] = [];
let warnings: string[] = [];
console.log = (...values) => void lines.push(...format(...values).split('\n'));
process.on('warning', ({ name, message }) => void warnings.push(`${name}: ${message}`));

for (const file of files) {
  [lines, warnings] = [[], []];
  const name = basename(file).replace(/\.m?[jt]s$/, '');
  process.env['MESSAGE_BUS'] = kind === 'sqlite' ? `sqlite:${folder}/${name}.db` : 'memory';
  const error = await import(file).then(
    () => undefined,
    (thrown: unknown) => format(thrown),
  );
  await new Promise((resolve) => setImmediate(resolve)); // Warnings come in the next turn.
  log(JSON.stringify({ name, lines, warnings, error }));
}
process.exit();
