// Numbers of JSON keep their digits from the shell that sends them to the one that prints them.
import { connect } from 'busbar';
import { describe, expect, test, vi } from 'vitest';
import { parseBody, parseExact } from '../src/cli/exact-json.ts';
import { shell } from './shell.ts';

const KEPT = [
  '{"tweet":1790000000000000123}',
  '1.10',
  '-0',
  '1e2',
  '[9007199254740993,0.1000,-1.50E+3,1e-400]',
  '{"a":{"b":[123456789012345678901234567890]}}',
  '0.30000000000000004440892098500626',
];
const REFUSED = [
  ['1e400', /the number "1e400"( at "body")? is too large/],
  ['[-1e400]', /the number "-1e400" at "(body\.)?0" is too large/],
  ['{"a":[1,{"b":1e999}]}', /the number "1e999" at "(body\.)?a\.1\.b" is too large/],
  ['9'.repeat(400), /is too large/],
] as const;

test.concurrent.each(KEPT)('%s is parsed and printed unchanged', (text) => {
  expect(JSON.stringify(parseBody(text))).toBe(text);
  expect(JSON.stringify(parseExact(text))).toBe(text);
});

test.concurrent('nothing too deep to be printed is sent', () => {
  const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
  expect(JSON.stringify(parseBody(deep(1_000)))).toBe(deep(1_000));
  expect(() => parseBody(deep(2_000))).toThrow(/nested deeper/);
  expect(() => parseExact(deep(200_000))).toThrow(SyntaxError);
  expect(parseBody(JSON.stringify('['.repeat(5_000)))).toBe('['.repeat(5_000));
});

describe('in a shell', () => {
  test.concurrent('send, recv, tail, task ls and dead list print the digits that were given', async () => {
    await using sh = shell();
    const body = '{"tweet":1790000000000000123,"price":1.10}';
    await sh.out('register', '@a');
    await sh.out('send', '@a', body);
    const more = `{"to":"@a","body":${body},"priority":1}`;
    expect(await sh.use({ args: ['send', '--jsonl'], input: more })).toMatchObject({ code: 0 });
    expect(await sh.out('recv', '@a', '--max', '2', '--json')).toMatch(new RegExp(`(.*"body":${body}.*\n?){2}`));
    await sh.out('publish', 'price', body);
    expect(await sh.out('tail', '--from', 'start', '--stop-at-end', '--raw')).toBe(body);
    expect(await sh.out('tail', '--from', 'start', '--count', '1', '--json')).toContain(`"body":${body}`);
    await sh.out('task', 'add', 'q', body);
    expect(await sh.out('task', 'ls', 'q')).toContain(body);
    await using bus = await connect(`sqlite:${sh.dir.join('.busbar/bus.db')}`, { onError: () => undefined });
    await bus.process('q', () => Promise.reject(new Error('no')), { maxAttempts: 1 });
    await vi.waitFor(async () => expect(await sh.out('dead', 'list', 'q', '--json')).toContain(`"body":${body}`), {
      timeout: 10_000,
    });
  });

  test.concurrent('request and reply keep the digits both ways', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    const asking = sh.start({ args: ['request', '@a', '1.10', '--wait', '14s', '--as', '@b'] });
    const waiting = await sh.out('recv', '@a', '--wait=10s', '--json');
    expect(waiting).toContain('"body":1.10,');
    const { id } = JSON.parse(waiting) as { id: string };
    await sh.out('reply', id, '[1790000000000000123]', '--as', '@a');
    expect(await asking.ended).toMatchObject({ code: 0, stdout: '[1790000000000000123]\n' });
  });

  test.concurrent.each(REFUSED)('%s is refused', async (body, message) => {
    await using sh = shell();
    await sh.out('register', '@a');
    for (const args of [
      ['send', '@a', body],
      ['publish', 't', body],
      ['task', 'add', 'q', body],
    ]) {
      const { code, stdout, stderr } = await sh.run(...args);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(message);
      expect(stderr).toMatch(/^hint: .*in quotes/m);
    }
    const lines = await sh.use({ args: ['send', '--jsonl'], input: `{"to":"@a","body":${body}}` });
    expect(lines).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
  });

  test.concurrent('a number in quotes, or as text, is sent', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    await sh.out('send', '@a', '1e400', '--text');
    expect(await sh.json('recv', '@a')).toMatchObject([{ body: '1e400' }]);
  });
});
