// Dead letters from a shell.
import { expect, test } from 'vitest';
import { shell } from './shell.ts';

test('are listed with their reasons, redriven and purged', async () => {
  await using sh = shell();
  await sh.out('register', '@a');
  for (const body of ['1', '2', '3']) await sh.out('send', '@a', body);
  for (const mail of await sh.json('recv', '@a', '--max', '3')) {
    const { receipt } = mail as { receipt: string };
    await sh.out('reject', receipt, '--reason', 'bad input');
  }
  const [first, second, third] = (await sh.json('dead', 'list', '@a')) as { id: string }[];
  expect(first).toMatchObject({
    body: 1,
    attempt: 1,
    reason: 'bad input',
    queue: '$inbox.@a',
    diedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    history: [{ attempt: 1, outcome: 'reject', reason: 'bad input', endedAt: expect.stringMatching(/Z$/) }],
  });
  expect(await sh.out('dead', 'list', '@a', third!.id)).toMatch(
    /^DIED +ATTEMPTS +ID +REASON +BODY\n\d\d:\d\d:\d\d +1 +\S+ +bad input +3$/,
  );
  expect(await sh.out('dead', 'redrive', '@a', first!.id)).toBe('1 message put back');
  expect(await sh.json('recv', '@a')).toMatchObject([{ id: first!.id, attempt: 1 }]);
  expect(await sh.run('dead', 'purge', '@a', second!.id, 'none', '--json')).toMatchObject({
    code: 3,
    stdout: '{"count":1}\n',
    stderr: expect.stringContaining('1 id not found among the dead letters'),
  });
  expect(await sh.out('dead', 'redrive', '@a')).toBe('1 message put back');
  expect(await sh.out('dead', 'purge', '@a', '--all')).toBe('0 messages deleted');
  expect(await sh.run('dead', 'list', '@a')).toMatchObject({ code: 0, stdout: '' });
});

test.each([
  [['dead'], /ACTION is missing/],
  [['dead', 'list'], /QUEUE is missing/],
  [['dead', 'lsit', 'q'], /unknown action .*\nhint: Did you mean list\?/],
  [['dead', 'purge', '@a'], /ID is missing\nhint: .*--all/],
  [['dead', 'purge', '@a', 'x', '--all'], /--all and ids exclude each other/],
  [['dead', 'list', 'a b'], /illegal token/],
] as const)('%j is refused (2)', async (args, message) => {
  await using sh = shell();
  await sh.out('register', '@a');
  expect(await sh.run(...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
});

test('of an unknown queue (3)', async () => {
  await using sh = shell();
  expect(await sh.run('dead', 'list', 'none')).toMatchObject({ code: 3, stdout: '' });
});
