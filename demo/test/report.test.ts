/** The report and the display, as they are read. */

import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Display } from '../src/display/display.ts';
import { describeOutcome } from '../src/report/report.ts';
import { toMarkdown, toText } from '../src/report/sections.ts';
import { table } from '../src/report/table.ts';
import { audit, outcome } from './outcome.ts';

const binary = { status: 'skipped', file: 'logo.ts', reason: 'binary' } as const;
const audits = [audit('src/a.ts', 300), audit('src/b.ts', 41), audit('src/twin.ts', 41), binary];

test('the report on a terminal', () => {
  const run = outcome(audits, { kills: [{ worker: '@demo.worker-2', held: ['audits#1'] }] });
  expect(toText(describeOutcome(run))).toMatchInlineSnapshot(`
    "Audit of /tree
    ────────────────────

    files       4, 2 a second, in 2.0 s
    lines       382, 24.9 % of them comments
    size        11.5 kB
    TODO marks  2

    Longest functions
      300  run  src/a.ts:3
       41  run  src/b.ts:3
       41  run  src/twin.ts:3

    Most TODO marks
      1  src/b.ts
      1  src/twin.ts

    Fewest comments, of files with 200 lines and more
      25.0 %  of 300  src/a.ts

    The same contents several times
      2  src/b.ts

    Reported, not fatal: 1
      binary  logo.ts

    On the bus
    ────────────────────

    bus           sqlite, to throw away
    workers       2 at a time; results of each: 2 + 2
    requests      0 asked, 0 answered; grades: 2 × A
    lock          taken 1 ×, 0 × after a wait
    events        6 published, 6 received, 6 replayed
    deliveries    8 handled, 0 of them with attempt ≥ 2
    merged again  0, counted once
    stale tokens  0 writes refused
    dead letters  0
    killed        @demo.worker-2 while it held 1
    "
  `);
});

test('the same as Markdown', () => {
  const text = toMarkdown(describeOutcome(outcome(audits, { root: '/a_b/*c*' })));
  expect(text).toMatch(/^# Audit of \/a\\_b\/\\\*c\\\*\n\n {4}files /);
  expect(text).toContain('\n\n## Longest functions\n\n    300  run  src/a.ts:3\n');
  expect(text).not.toMatch(/[─]/);
});

test('a tree in which nothing could be read', () => {
  const text = toText(describeOutcome(outcome([binary])));
  expect(text).toContain('0, 0.0 % of them comments');
  expect(text).toContain('binary  logo.ts');
  expect(text).not.toContain('NaN');
});

test('names of others obey nobody on the terminal', () => {
  const text = toText(describeOutcome(outcome([audit('a\x1b[2J\n\u202e.ts', 300)], { root: '/\x07' })));
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

test('numbers stand to the right, the last column is never padded', () => {
  const rows = [
    ['1,000', 'a', 'x'],
    ['7', 'long', ''],
  ];
  expect(table(rows, '  ')).toBe('  1,000  a     x\n      7  long');
});

describe('the display', () => {
  test('on a terminal is one line, repainted, no wider than it', () => {
    const { out, text } = screen({ isTTY: true, columns: 24 });
    const display = new Display(out);
    display.show({ text: 'starting' });
    display.show({ text: '500/2,000 files', share: 0.25 });
    display.say('killed somebody');
    display.show({ text: '2,000/2,000 files', share: 1.1 });
    display.clear();
    expect(text().replaceAll('\x1b[2K', '')).toBe(
      '\rstarting\r████░░░░░░░░░░░░ 500/2,\rkilled somebody\n\r████████████████ 2,000/\r',
    );
  });

  test('elsewhere is a line a second, and none twice', () => {
    const { out, text } = screen({ isTTY: false });
    const display = new Display(out);
    for (let n = 0; n < 5; n += 1) display.show({ text: '500/2,000 files', share: 0.25 });
    display.say('killed somebody');
    display.clear();
    expect(text()).toBe('500/2,000 files\nkilled somebody\n');
  });
});

function screen(terminal: { isTTY: boolean; columns?: number }): { out: NodeJS.WriteStream; text: () => string } {
  const stream = new PassThrough();
  let text = '';
  stream.on('data', (chunk) => (text += String(chunk)));
  return { out: Object.assign(stream, terminal) as unknown as NodeJS.WriteStream, text: () => text };
}
