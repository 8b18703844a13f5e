/** The file that editors merge into: stale tokens, half lines, results that come again. */

import { appendFileSync } from 'node:fs';
import { type TempDir, tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import type { AuditResult } from '../src/processes/process-event.ts';
import { appendResults, readResults } from '../src/report/results-file.ts';

function result(id: string, worker = 'w'): AuditResult {
  return { id, worker, audit: { file: `${id}.ts`, lines: 1, bytes: 1, sha256: '' }, grade: undefined };
}

async function read(folder: TempDir): Promise<{ ids: string[]; again: number; stale: number }> {
  const { results, again, stale } = await readResults(folder.join('results'));
  return { ids: [...results.keys()], again, stale };
}

test('a missing file has no results', async () => {
  await using folder = tempDir();
  expect(await read(folder)).toEqual({ ids: [], again: 0, stale: 0 });
});

test('a result that was merged again counts once, as merged first', async () => {
  await using folder = tempDir();
  const file = folder.join('results');
  await appendResults(file, 1, [result('a'), result('b', 'first')]);
  await appendResults(file, 2, [result('b', 'second'), result('c')]);
  await appendResults(file, 2, [result('b')]);
  expect(await read(folder)).toEqual({ ids: ['a', 'b', 'c'], again: 2, stale: 0 });
  expect((await readResults(file)).results.get('b')?.worker).toBe('first');
});

test('a write under a lost lock is refused; earlier writes count', async () => {
  await using folder = tempDir();
  const file = folder.join('results');
  await appendResults(file, 5, [result('a')]);
  await appendResults(file, 9, [result('b')]);
  await appendResults(file, 5, [result('late')]);
  await appendResults(file, 9, [result('c')]);
  expect(await read(folder)).toEqual({ ids: ['a', 'b', 'c'], again: 0, stale: 1 });
});

test('an incomplete line of a killed editor loses no other line', async () => {
  await using folder = tempDir();
  const file = folder.join('results');
  await appendResults(file, 1, [result('a')]);
  appendFileSync(file, '\n{"token":2,"results":[{"id":"ha');
  await appendResults(file, 3, [result('b')]);
  appendFileSync(file, '\n{"token":4,"resul');
  expect(await read(folder)).toEqual({ ids: ['a', 'b'], again: 0, stale: 0 });
});
