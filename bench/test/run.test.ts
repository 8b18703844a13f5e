/** One small run of every scenario, as a process of its own: it ends well and its JSON has every figure. */

import { readFileSync } from 'node:fs';
import { runNode, tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import type { Report } from '../src/report.ts';

const MAIN = new URL('../src/main.ts', import.meta.url);

test('queue, request and wake on Busbar and its peers', { timeout: 120_000 }, async () => {
  await using folder = tempDir();
  const json = folder.join('deep/figures.json');
  const args = `--transports sqlite,plainjob-many,raw --scenarios queue,request,wake --runs 1 --messages 200 --json ${json}`;
  const { code, stdout } = await runNode({ file: MAIN, args: args.split(' '), timeoutMs: 110_000 });
  expect(code).toBe(0);
  expect(stdout).toContain('consume+ack /s');
  const { machine, versions, answers } = JSON.parse(readFileSync(json, 'utf8')) as Report;
  expect([machine.cores > 0, versions['plainjob'] !== 'unknown']).toEqual([true, true]);
  const all = answers.flatMap(({ figures = [] }) => figures.flatMap(({ values }) => values));
  expect(all.length).toBeGreaterThan(12);
  expect(all.every((value) => value >= 0)).toBe(true);
});

test('a bad command line ends with 2 and the usage', async () => {
  const { code, stdout, stderr } = await runNode({ file: MAIN, args: ['--transports', 'carrier-pigeon'] });
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain('use sqlite');
});
