// A worker as a loop in bash.
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { bin, shell } from './shell.ts';

const hasBash = spawnSync('bash', ['-c', 'exit 0']).status === 0;

test.skipIf(!hasBash)('an agent in a bash loop: block, work, reply, ack', async () => {
  await using sh = shell();
  await sh.out('register', '@worker');
  for (const n of ['1', '2', '3']) await sh.out('send', '@worker', `{"n":${n}}`);
  mkdirSync(sh.dir.join('bin'));
  writeFileSync(sh.dir.join('bin/busbar'), `#!/bin/sh\nexec "${process.execPath}" "${bin}" "$@"\n`);
  chmodSync(sh.dir.join('bin/busbar'), 0o755);
  const script = `
    field() { node -pe "JSON.parse(process.argv[1]).$2" "$1"; }
    while m=$(busbar recv --wait=1s --json) || { rc=$?; false; }; do
      echo "got $(field "$m" body.n)"
      busbar ack "$(field "$m" receipt)" || exit 9
    done
    echo "ended with $rc"
  `;
  const PATH = `${sh.dir.join('bin')}:${process.execPath.replace(/\/[^/]+$/, '')}:${process.env['PATH']}`;
  const env = { ...process.env, PATH, BUSBAR_AGENT: '@worker', MESSAGE_BUS: undefined, NODE_OPTIONS: '' };
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], { cwd: sh.dir.path, env });
  expect(stderr).toBe('');
  expect(stdout).toBe('got 1\ngot 2\ngot 3\nended with 4\n');
});
