// `busbar check`: exit codes and lines that monitoring reads.
import { freePort } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { type Shell, shell } from './shell.ts';

async function check(sh: Shell, ...args: string[]): Promise<{ code: number | null; lines: string[] }> {
  const { code, stdout } = await sh.run('check', ...args);
  return { code, lines: stdout.trimEnd().split('\n') };
}

test.concurrent('what exceeds a limit is a warning or critical', { timeout: 60_000 }, async () => {
  await using sh = shell();
  await sh.out('register', '@bob');
  await sh.out('send', '@bob', 'hello');
  await sh.out('task', 'add', 'build', '1');
  const receipt = await sh.json('recv', '@bob');
  await sh.out('reject', String(receipt[0]?.['receipt']));
  expect(await check(sh)).toMatchObject({
    code: 0,
    lines: [
      expect.stringMatching(
        /^BUSBAR OK - 2 queues, nothing exceeds its limit \| oldest=[\d.]+s;;;0 dead=1;;;0 ready=1;;;0$/,
      ),
    ],
  });
  expect(await check(sh, '--max-dead', '0', '--warn-ready', '0')).toMatchObject({
    code: 2,
    lines: [
      expect.stringMatching(
        /^BUSBAR CRITICAL - @bob: 1 dead letter and 1 other problem \| .* dead=1;;0;0 ready=1;0;;0$/,
      ),
      'build: 1 ready message',
    ],
  });
  expect(await check(sh, '--warn-dead', '0', '--max-dead', '1')).toMatchObject({ code: 1 });
  expect(await check(sh, 'build', '--max-dead', '0')).toMatchObject({ code: 0 });
  expect(await check(sh, 'nobody')).toMatchObject({ code: 3 });
  expect(await check(sh, 'bob', '--max-dead', '0')).toMatchObject({ code: 2 });
  const late = await check(sh, 'build', '--max-oldest', '1ms', '--json');
  expect(late.code).toBe(2);
  expect(JSON.parse(late.lines[0] ?? '')).toMatchObject({
    status: 'critical',
    problems: [
      { level: 'critical', queue: 'build', text: expect.stringMatching(/^build: a message has waited for \d/) },
    ],
    ready: 1,
    dead: 0,
  });
});

test.concurrent('what cannot be checked is unknown, and a bus that does not work critical', async () => {
  await using sh = shell();
  expect(await check(sh)).toEqual({
    code: 3,
    lines: [expect.stringMatching(/^BUSBAR UNKNOWN - there is no bus yet: sqlite:/)],
  });
  const wrong = await sh.run('check', '--max-dead', 'many');
  expect(wrong).toMatchObject({ code: 3, stderr: expect.stringContaining('max-dead') });
  const url = `redis://:secret@127.0.0.1:${await freePort()}`;
  const away = await check(sh, '--url', url);
  expect(away).toEqual({ code: 2, lines: [expect.stringMatching(/^BUSBAR CRITICAL - .*\(UNAVAILABLE\)$/)] });
  expect(away.lines[0]).not.toContain('secret');
});

test.concurrent('health is a round trip to the store', { timeout: 60_000 }, async () => {
  await using sh = shell();
  expect(await sh.run('health')).toMatchObject({ code: 3, stderr: expect.stringContaining('there is no bus yet') });
  await sh.out('register', '@bob');
  expect(await sh.out('health')).toMatch(/^open [\d.]+m?s$/);
  expect(await sh.json('health')).toMatchObject([{ ok: true, state: 'open', ms: expect.any(Number) }]);
  expect(await sh.run('health', '--url', `redis://127.0.0.1:${await freePort()}`)).toMatchObject({ code: 69 });
});
