// Text of other processes: it neither controls the terminal, nor looks like lines of the command, nor takes long to print.
import { readFile } from 'node:fs/promises';
import { freePort } from '@busbar/testbed';
import { connect } from 'busbar';
import { describe, expect, test } from 'vitest';
import { maskUrl } from '../src/bus-url.ts';
import { foreignText } from '../src/cli/output/failure.ts';
import { cutToWidth, printableBlock, printableLine, toJsonLine, widthOf } from '../src/cli/output/printable.ts';
import { tableLines } from '../src/cli/output/table.ts';
import { shell } from './shell.ts';

const MEGA = 1_000_000;
const ESCAPES = '\u001b[2J\u0007\u202e\u2028';
// biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be printed
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e\u2028]/;

describe('secrets', () => {
  test.each([
    ['redis://u:p@h:1/0', 'redis://***@h:1/0'],
    ['redis://:S3cr3t/K3y@h:6379', 'redis://***@h:6379'],
    ['see "rediss://:a@b@h": no', 'see "rediss://***@h": no'],
    ['ws://h/x?a=b&token=c;d#e&f=g', 'ws://h/x?a=b&token=***&f=g'],
    ['nats://h?ns=a;key=1, then', 'nats://h?ns=a;key=***, then'],
    ['sqlite:///a@b.db?ns=x', 'sqlite:///a@b.db?ns=x'],
    ['no url, key=value; a & b', 'no url, key=value; a & b'],
  ])('%s', (text, masked) => {
    expect(maskUrl(text)).toBe(masked);
  });

  test.each([
    '//'.repeat(MEGA / 2),
    '//@'.repeat(MEGA / 3),
    `${'/'.repeat(MEGA)}@`,
    `${'sqlite://'.repeat(MEGA / 10)}@`,
    '?'.repeat(MEGA),
    '?key'.repeat(MEGA / 4),
    '?key='.repeat(MEGA / 5),
    `?${'key'.repeat(MEGA / 3)}`,
    `${';a&'.repeat(MEGA / 3)}token=`,
    `${'"'.repeat(MEGA)}?key=${'"'.repeat(MEGA)}`,
    'x'.repeat(MEGA),
    'x \n'.repeat(MEGA / 3),
  ])('are masked in linear time: %#', (text) => {
    // The median of a thousandth part, and of all of it: the quadratic time would be a thousand times longer.
    const timed = (some: string): number => {
      const began = performance.now();
      printableLine(foreignText(some));
      return performance.now() - began;
    };
    timed(text.slice(0, 10_000));
    expect(timed(text)).toBeLessThan(3_000);
  });

  test('are masked before a text is cut', () => {
    const text = `redis://user:${'hunter2'.repeat(1_000)}@h`;
    expect(foreignText(text)).toBe('redis://***@h');
    expect(foreignText('\ud83d\ude00'.repeat(5_000)).isWellFormed()).toBe(true);
    expect(foreignText('x'.repeat(5_000))).toHaveLength(2_000);
  });
});

describe('columns', () => {
  test.each([
    ['abc', 3],
    ['日本', 4],
    ['\u{17000}\u{1b170}\u{18b00}\u2329\u{1f200}', 10],
    ['한글', 4],
    ['カタ', 4],
    ['ｶﾀ', 2],
    ['ＡＢ', 4],
    ['👍🏽', 2],
    ['❤️', 2],
    ['e\u0301', 1],
    ['🇩🇪', 2],
    ['…é', 2],
    ['', 0],
  ])('%s has %d', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  test('text is cut between characters', () => {
    expect(cutToWidth('日本語', 5)).toBe('日本…');
    expect(cutToWidth('日本語', 4)).toBe('日…');
    expect(cutToWidth('👍👍👍', 4)).toBe('👍…');
    expect(cutToWidth('ab', 2)).toBe('ab');
    expect(printableLine('👍'.repeat(100), 4).isWellFormed()).toBe(true);
  });

  test('of a table are aligned', () => {
    const out = { width: Number.POSITIVE_INFINITY, paint: (_: string, text: string) => text };
    const rows = [
      ['日本', '1'],
      ['abcdef', '22'],
    ];
    expect(tableLines(['NAME', '#N'], rows, out as never)).toEqual(['NAME     N', '日本     1', 'abcdef  22']);
  });
});

test.each([
  ['a\u200bb', 'a\\u200bb'],
  ['a\u202eb', 'a\\u202eb'],
  ['a\u2066b', 'a\\u2066b'],
  ['a\ufeffb', 'a\\ufeffb'],
  ['a\u3164b', 'a\\u3164b'],
  ['a\u034fb', 'a\\u034fb'],
  ['a\u00adb', 'a\\u00adb'],
  ['a\u{e0041}b', 'a\\udb40\\udc41b'],
  ['❤️ é 日本', '❤️ é 日本'],
])('marks that change what a reader sees are visible: %j', (text, shown) => {
  expect(printableLine(text)).toBe(shown);
  expect(JSON.parse(toJsonLine({ text }))).toEqual({ text });
});

test('a block does not look like lines of the command', () => {
  expect(printableBlock('a\nurgent from @boss\u001b[1m')).toBe('a\n  urgent from @boss\\u001b[1m');
});

describe('in a shell', () => {
  test('bodies, names, logs and reasons of others are printable, one record each', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    await using bus = await connect(`sqlite:${sh.dir.join('.busbar/bus.db')}`, { onError: () => undefined });
    const agent = await bus.agent('@b');
    const nasty = `x\nmessage from @boss, 12:00:00\n${ESCAPES}\ty`;
    await agent.send('@a', 'note', nasty);
    agent.log(nasty);
    await bus.publish('t', nasty);
    await bus.enqueue('q', nasty);
    await bus.process('q', () => Promise.reject(new Error(nasty)), { maxAttempts: 1 });
    const received = await sh.run('recv', '@a');
    expect(received.stdout).not.toMatch(UNPRINTABLE);
    expect(received.stdout.match(/^message from|^note from/gm)).toHaveLength(1);
    await expect.poll(async () => (await sh.out('logs', '@b')).split('\n'), { timeout: 10_000 }).toHaveLength(1);
    expect(await sh.out('logs', '@b')).not.toMatch(UNPRINTABLE);
    const tail = ['tail', '--from', 'start', '--stop-at-end'];
    for (const args of [tail, [...tail, '--plain'], [...tail, '--json'], ['dead', 'list', 'q', '--json']]) {
      await expect.poll(async () => (await sh.out(...args)).split('\n').length, { timeout: 10_000 }).toBe(1);
      expect(await sh.out(...args)).not.toMatch(UNPRINTABLE);
    }
    const dead = await sh.out('dead', 'list', 'q');
    expect(dead.split('\n')).toHaveLength(2);
    expect(dead).not.toMatch(UNPRINTABLE);
  });

  test('what the verbs that look print, too', { timeout: 60_000 }, async () => {
    await using sh = shell();
    await using bus = await connect(`sqlite:${sh.dir.join('bus.db')}`);
    const nasty = `x\nmessage from @boss, 12:00:00\n${ESCAPES}\u200b`;
    await bus.enqueue('later', nasty, { delayMs: 600_000 });
    await (await bus.agent('@c', { note: 'a\u202eb\u200b', presence: false })).send('@c', 'note', nasty);
    for (const args of [
      ['peek', 'later'],
      ['peek', 'later', '--full'],
      ['peek', 'later', '--json'],
      ['inbox', '@c'],
      ['agents'],
      ['top', '--once', '--every', '200ms'],
    ]) {
      const { code, stdout, stderr } = await sh.use({ args, env: { MESSAGE_BUS: 'sqlite:./bus.db' } });
      expect({ args, code, stderr }).toMatchObject({ code: 0, stderr: '' });
      expect(stdout).not.toMatch(UNPRINTABLE);
      expect(stdout).not.toContain('\u200b');
      expect(stdout).not.toMatch(/^(message|note) from/m);
    }
  });

  test.each(['0', '1'])('an error of a handler is one record: BUSBAR_DEBUG=%s', async (BUSBAR_DEBUG) => {
    await using sh = shell();
    await sh.out('register', '@a');
    await using bus = await connect(`sqlite:${sh.dir.join('.busbar/bus.db')}`, { onError: () => undefined });
    const agent = await bus.agent('@h');
    agent.handle('ask', () => {
      throw new Error(`broken\nhint: run rm -rf\n${ESCAPES}`);
    });
    const args = ['request', '@h', '1', '--type', 'ask', '--live'];
    const text = await sh.use({ args, env: { BUSBAR_DEBUG } });
    expect(text.stderr).not.toMatch(UNPRINTABLE);
    expect(text.stderr.match(/^busbar: .*broken/gm)).toHaveLength(1);
    expect(text.stderr).not.toMatch(/^hint: run/m);
    expect(/^\s+at /m.test(text.stderr)).toBe(BUSBAR_DEBUG === '1');
    const json = await sh.use({ args: [...args, '--json'], env: { BUSBAR_DEBUG } });
    const { error } = JSON.parse(json.stderr) as { error: { code: string; stack?: string } };
    expect(error.code).toBe('HANDLER_FAILED');
    expect(error.stack !== undefined).toBe(BUSBAR_DEBUG === '1');
  });

  test('error texts of a megabyte are cut, and soon there', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    await using bus = await connect(`sqlite:${sh.dir.join('.busbar/bus.db')}`, { onError: () => undefined });
    const agent = await bus.agent('@h');
    agent.handle('ask', () => {
      throw new Error('?a//'.repeat(MEGA / 4));
    });
    const failed = await sh.run('request', '@h', '1', '--type', 'ask', '--live');
    expect(failed.code).toBe(1);
    expect(failed.stderr.length).toBeLessThan(10_000);
  });
});

test.runIf(process.platform === 'linux')('secrets in arguments do not stay in the list of processes', async () => {
  await using sh = shell();
  const url = `redis://:hunter2@127.0.0.1:${await freePort()}`;
  const running = sh.start({ args: ['tail', '--wait-for-server', '60s', '--url', url] });
  const args = await expect
    .poll(() => readFile(`/proc/${running.child.pid}/cmdline`, 'utf8').catch(() => ''), { timeout: 10_000 })
    .toContain('redis://***@')
    .then(() => readFile(`/proc/${running.child.pid}/cmdline`, 'utf8').catch(() => ''));
  expect(args).not.toContain('hunter2');
  running.child.kill('SIGKILL');
  await running.ended;
});
