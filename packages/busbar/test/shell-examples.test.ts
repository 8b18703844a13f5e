// The examples for shells on SQLite, and the one in Python over WebSocket.
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { freePort } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { shell } from './shell.ts';
import { EXAMPLES, runExamples } from './shell-examples.ts';

const hasBash = spawnSync('bash', ['-c', 'exit 0']).status === 0;
const hasPython = spawnSync('python3', ['--version']).status === 0;

test('the scripts have at most 15 lines together', () => {
  const scripts = readdirSync(EXAMPLES).filter((name) => name.endsWith('.sh'));
  const lines = scripts.flatMap((name) =>
    readFileSync(EXAMPLES + name, 'utf8')
      .trimEnd()
      .split('\n'),
  );
  expect(scripts).toHaveLength(3);
  expect(lines.filter((line) => line !== '' && !line.startsWith('#')).length).toBeLessThanOrEqual(15);
});

test.skipIf(!hasBash)('the scripts run on sqlite', { timeout: 60_000 }, () =>
  runExamples((folder) => `sqlite:${folder}/bus.db`),
);

test('the agent in Python talks to a hub', { timeout: 30_000 }, async ({ skip }) => {
  skip(!hasPython, 'NOT TESTED: python3 is missing');
  await using project = shell();
  const url = `ws://127.0.0.1:${await freePort()}/bus`;
  const hub = project.start({ args: ['hub', '--store', 'sqlite:./bus.db', '--listen', url] });
  await hub.said('a hub listens at');
  const python = await promisify(execFile)('python3', [`${EXAMPLES}websocket.py`, url], { timeout: 20_000 });
  expect(python).toEqual({ stdout: 'hello @python {"from": "Python"}\n', stderr: '' });
  hub.child.kill('SIGTERM');
  await hub.ended;
});
