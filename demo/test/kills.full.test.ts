/** Kills in runs of the demonstration that take longer, over SQLite. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { LONG, lastLine, recordsIn, run, stage } from './stage.ts';

test('the bus moves while agents work and die; both stores are left as they were found', {
  timeout: LONG,
}, async () => {
  await using on = await stage(60);
  const [one, other] = ['one', 'other'].map((name) => `sqlite:${on.dir.join(`${name}.db`)}`);
  const outcome = await run(on.dir, [on.tree, '--kill', '--migrate', `${other}?ns=mine`], `${one}?ns=mine`);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  const counts = `${on.files} files, ${on.files} results, 0 lost, 0 duplicated, 2 killed, moved to sqlite`;
  expect(lastLine(outcome)).toBe(`demo: ${counts}`);
  expect(outcome.stderr).toMatch(
    /^moving the bus from sqlite to sqlite\n(?:.*\n)*the bus is in sqlite, after a pause/m,
  );
  expect(outcome.stdout).toMatch(/^records +[1-9]\d* messages, [1-9]\d* events, [1-9]\d* keys/m);
  const ns = /namespace (demo-[0-9a-f]+)/.exec(outcome.stdout)?.[1] ?? '';
  for (const url of [one, other]) expect(await recordsIn(url ?? '', ns)).toBe(0);
});

test('one worker and one file are enough to be killed twice', { timeout: LONG }, async () => {
  await using dir = tempDir('demo-test');
  for (const name of ['tree', 'tmp']) mkdirSync(dir.join(name));
  writeFileSync(dir.join('tree', 'only.ts'), 'x\n');
  const outcome = await run(dir, ['tree', '--kill', '--workers', '1']);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  expect(lastLine(outcome)).toBe('demo: 1 files, 1 results, 0 lost, 0 duplicated, 2 killed');
});
