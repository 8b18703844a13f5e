// Backups from a shell: export and import.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { needServer, startRedis } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { type Shell, shell } from './shell.ts';

/** A bus with an agent, mail, a dead letter, tasks and events. */
async function filled(): Promise<Shell> {
  const sh = shell();
  await sh.out('register', '@a');
  for (const body of ['one', 'two']) await sh.out('send', '@a', body);
  const receipt = await sh.out('recv', '@a', '--json').then((line) => JSON.parse(line).receipt as string);
  await sh.out('reject', receipt, '--reason', 'broken');
  await sh.out('task', 'add', 'build', '{"n":1.10}');
  await sh.out('publish', 'user.login', 'ä\u001b[31m');
  return sh;
}

const linesOf = (text: string): { kind: string; records?: number }[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string });

test.concurrent('export to a file and import into a new bus: everything is there, and a repeated import adds nothing', {
  timeout: 60_000,
}, async () => {
  await using sh = await filled();
  const { code, stdout, stderr } = await sh.run('export', 'backup.jsonl');
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: '',
    stderr: expect.stringMatching(/^busbar: \d+ records in backup\.jsonl\n$/),
  });
  const file = sh.dir.join('backup.jsonl');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const lines = linesOf(readFileSync(file, 'utf8'));
  expect(lines[0]).toMatchObject({ kind: 'busbar', format: 1, from: 'sqlite' });
  expect(lines.at(-1)).toEqual({ kind: 'end', records: lines.length - 2 });

  const other = ['--url', 'sqlite:./other.db'];
  const [first] = await sh.json('import', 'backup.jsonl', ...other);
  expect(first).toMatchObject({ records: lines.length - 2 });
  expect(await sh.out('import', 'backup.jsonl', ...other)).toBe(`${lines.length - 2} records read, 0 added`);
  expect(await sh.out('recv', '@a', ...other)).toContain('two');
  expect(await sh.out('dead', 'list', '@a', ...other)).toContain('broken');
  expect(await sh.out('task', 'ls', 'build', ...other)).toContain('1.10');
  expect(await sh.out('tail', '--from', 'start', '--stop-at-end', '--raw', ...other)).toContain('ä\u001b[31m');
});

test.concurrent('a pipe from export to import moves a bus to another backend', async ({ skip }) => {
  await needServer('redis-server', skip);
  await using server = await startRedis();
  await using sh = await filled();
  const { stdout } = await sh.run('export');
  const { code, stderr } = await sh.use({ args: ['import', '--url', server.url], input: stdout });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(await sh.out('recv', '@a', '--url', server.url)).toContain('two');
});

test.concurrent('a file that exists is kept without --force, and a missing bus is an empty backup', async () => {
  await using sh = shell();
  writeFileSync(sh.dir.join('backup.jsonl'), 'mine');
  expect(await sh.run('export', 'backup.jsonl')).toMatchObject({ code: 6, stderr: expect.stringContaining('--force') });
  expect(readFileSync(sh.dir.join('backup.jsonl'), 'utf8')).toBe('mine');
  expect((await sh.run('export', 'backup.jsonl', '--force')).code).toBe(0);
  expect(linesOf(readFileSync(sh.dir.join('backup.jsonl'), 'utf8')).at(-1)?.kind).toBe('end');
  expect(existsSync(sh.dir.join('.busbar'))).toBe(false);
  expect(await sh.run('export', 'none/backup.jsonl')).toMatchObject({ code: 3 });
});

test.concurrent.each([
  ['', 2, /not whole: its last line is missing/],
  ['{"kind":"busbar","format":1}\n', 2, /not whole: its last line is missing/],
  ['{"kind":"busbar","format":1}\n{"kind":"end","records":2}\n', 2, /not whole: 2 records are named, 0 are there/],
  ['{"kind":"busbar","format":2}\n', 6, /line 1: the backup has format 2/],
  ['{"kind":"queue","name":"q"}\n', 2, /line 1: stdin is not a backup/],
  ['hello\n', 2, /line 1: not a JSON object/],
  ['{"kind":"busbar","format":1}\n\n{"kind":"kv","key":"k"}\n', 2, /line 3: valueBase64 is not base64/],
  [
    '{"kind":"busbar","format":1}\n{"kind":"end","records":0}\n{"kind":"end","records":0}\n',
    2,
    /line 3: there is more/,
  ],
])('import refuses %j', async (input, code, message) => {
  await using sh = shell();
  const ended = await sh.use({ args: ['import'], input });
  expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) });
});

test.concurrent('import names a backup that is packed', async () => {
  await using sh = shell();
  const ended = await sh.use({ args: ['import'], input: gzipSync('{"kind":"busbar","format":1}\n') });
  expect(ended).toMatchObject({ code: 2, stderr: expect.stringMatching(/not text in UTF-8\nhint: .*gunzip/) });
});

test.concurrent('import says which file it cannot read', async () => {
  await using sh = shell();
  expect(await sh.run('import', 'none.jsonl')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('cannot read none.jsonl (ENOENT)'),
  });
});
