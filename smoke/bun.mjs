// What runs on Bun: a program over each backend. The hub of its clients runs on Node.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { needServer, startNats, startRedis } from '@busbar/testbed';
import { program } from './bundles.mjs';
import { withHub } from './hub.mjs';
import { bun, run } from './programs.mjs';

const done = { result: 6 };

/** Returns what could not be tested. @param {{ all: string, node: string, bin: string }} installed */
export async function runOnBun({ all, node, bin }) {
  const path = bun();
  if (path === undefined) return 'NOT TESTED: npx could not bring Bun';
  writeFileSync(join(all, 'program.ts'), program);
  const check = (/** @type {string} */ url, /** @type {Record<string, unknown>} */ expected = done) => {
    const { stdout } = run(path, ['program.ts', url], { cwd: all });
    const found = JSON.parse(stdout);
    const isRight = Object.entries(expected).every(([key, value]) => found[key] === value);
    if (!isRight) throw new Error(`over ${url} it printed:\n${stdout}`);
  };
  check('memory:');
  check('sqlite:./bun.db');
  check('zmq', { code: 'UNSUPPORTED' });
  await withHub({ all, node, bin }, check);
  const notes = /** @type {string[]} */ ([]);
  for (const [name, start] of /** @type {const} */ ([
    ['redis-server', startRedis],
    ['nats-server', startNats],
  ])) {
    const before = notes.length;
    needServer(name, (note) => notes.push(note));
    if (notes.length > before) continue;
    await using server = await start();
    check(server.url);
  }
  return notes.length === 0 ? undefined : notes.join('; ');
}
