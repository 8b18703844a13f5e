// Dead letters from a shell.
import { connect } from 'busbar';
import { expect, test, vi } from 'vitest';
import { shell } from './shell.ts';

test.concurrent('are listed with their reasons, redriven and purged', async () => {
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
  expect((await sh.json('dead', 'ls', '@a')).map(({ id }) => id)).toEqual([first!.id, second!.id, third!.id]);
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

test.concurrent.each([
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

test.concurrent('of an unknown queue (3)', async () => {
  await using sh = shell();
  expect(await sh.run('dead', 'list', 'none')).toMatchObject({ code: 3, stdout: '' });
});

test.concurrent('of an agent or a subscription are found by the name that people know', async () => {
  await using sh = shell();
  await sh.out('register', 'bob');
  await sh.out('send', 'bob', '"first"', '--attempts', '1');
  const [mail] = await sh.json<{ receipt: string }>('recv', 'bob');
  await sh.out('reject', mail!.receipt);
  expect(await sh.json('dead', 'list', 'bob')).toMatchObject([{ body: 'first', queue: '$inbox.bob' }]);
  expect(await sh.json('task', 'ls', 'bob', '--state', 'dead')).toMatchObject([{ body: 'first' }]);
  expect((await sh.run('doctor')).stdout).toMatch(/bob has 1 dead letter\n +hint: busbar dead list bob/);
  await using bus = await connect(`sqlite:${sh.dir.join('.busbar/bus.db')}`, { onError: () => undefined });
  const options = { durableName: 'audit', maxAttempts: 1 };
  await bus.subscribe('t', () => Promise.reject(new Error('no')), options);
  await bus.publish('t', 'event');
  await vi.waitFor(
    async () => expect(await sh.json('dead', 'list', 'audit')).toMatchObject([{ body: 'event', queue: '$sub.audit' }]),
    { timeout: 10_000 },
  );
  await sh.out('task', 'add', 'bob', '1');
  const both = await sh.run('dead', 'list', 'bob');
  expect(both).toMatchObject({
    code: 0,
    stdout: '',
    stderr: expect.stringMatching(/\$inbox\.bob has 1 dead letter too/),
  });
  expect(await sh.json('dead', 'list', '$inbox.bob')).toHaveLength(1);
});

test.concurrent('that die again meanwhile are put back once', async () => {
  await using sh = shell();
  await using bus = await connect(`sqlite:${sh.dir.join('bus.db')}`, { onError: () => undefined });
  let runs = 0;
  await bus.process(
    'q',
    () => {
      runs += 1;
      throw new Error('again');
    },
    { maxAttempts: 1, concurrency: 4 },
  );
  const { id } = await bus.enqueue('q', 1);
  const letters = bus.deadLetters('q');
  const url = ['--url', 'sqlite:./bus.db'];
  for (const args of [
    ['dead', 'redrive', 'q', id],
    ['dead', 'redrive', 'q'],
  ]) {
    await vi.waitFor(async () => expect(await letters.count()).toBe(1), { timeout: 10_000 });
    const before = runs;
    expect(await sh.out(...args, ...url)).toBe('1 message put back');
    await vi.waitFor(async () => expect(await letters.count()).toBe(1), { timeout: 10_000 });
    expect(runs).toBe(before + 1);
  }
});
