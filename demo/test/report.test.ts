/** The report and the status line. */

import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { StatusLine } from '../src/progress.ts';
import { renderReport } from '../src/report/report.ts';
import { audit, outcome } from './run-outcome.ts';

const gone = { ...audit('gone.ts', 0), problem: 'unreadable (ENOENT)' };
const audits = [audit('src/a.ts', 300), audit('src/b.ts', 41), audit('src/twin.ts', 41), gone];

test('the report has the files, the traffic and the kills', () => {
  const run = outcome(audits, { kills: [{ worker: '@demo.worker-2', held: ['audits#1'] }] });
  expect(renderReport(run)).toMatchInlineSnapshot(`
    "root          /tree
    files         4, 2 a second, in 2.0 s
    lines         382
    size          0.0 MB
    same contents 1 files
    problem       unreadable (ENOENT)  gone.ts
    bus           sqlite, temporary
    workers       2 at a time; results of each: 2 + 2
    requests      0 asked, 0 answered; grades: 2 × A
    lock          taken 1 ×, 0 × after a wait
    events        6 published, 6 received, 6 replayed
    live          0 ephemeral events received
    deliveries    8 handled, 0 of them with attempt ≥ 2
    merged again  0, counted once
    stale tokens  0 writes refused
    dead letters  0
    killed        @demo.worker-2 while it held 1
    "
  `);
});

test('a run that moved has the report of the move', () => {
  const moved = {
    records: { queues: 3, messages: 1_200, events: 40, keys: 9, bindings: 1, ids: 1_300 },
    ms: { copy: 10, drain: 500, transfer: 90.4, verify: 20, cutover: 1 },
    estimated: { copyMs: 100, pauseMs: 600 },
    ...{ pauseMs: 611, redelivered: { count: 2, ids: ['audits#1', 'audits#2'] } },
  };
  const run = outcome(audits, { moveWanted: { from: 'sqlite', to: 'redis' }, moved });
  expect(renderReport(run)).toContain(
    `moved         from sqlite to redis while all agents worked
records       1,200 messages, 40 events, 9 keys, 1,300 remembered ids
pause         611 ms; held messages that were delivered again: 2
steps         copy 10 ms, drain 500 ms, transfer 90 ms, verify 20 ms, cutover 1 ms
`,
  );
});

test('names of files cannot control the terminal', () => {
  const text = renderReport(outcome([{ ...gone, file: 'a\x1b[2J\n\u202e.ts' }], { root: '/\x07' }));
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

test('the status line is repainted on a terminal, no wider than it', () => {
  const { out, text } = screen({ isTTY: true, columns: 12 });
  const line = new StatusLine(out);
  line.show('starting');
  line.show('500/2,000 files');
  line.say('killed the server');
  line.show('2,000/2,000');
  line.clear();
  expect(text().replaceAll('\x1b[2K', '')).toBe('\rstarting\r500/2,000 f\rkilled the server\n\r2,000/2,000\r');
});

test('without a terminal it is printed once a second', () => {
  const { out, text } = screen({ isTTY: false });
  const line = new StatusLine(out);
  for (let n = 0; n < 5; n += 1) line.show('500/2,000 files');
  line.say('killed the server');
  line.clear();
  expect(text()).toBe('500/2,000 files\nkilled the server\n');
});

function screen(terminal: { isTTY: boolean; columns?: number }): { out: NodeJS.WriteStream; text: () => string } {
  const stream = new PassThrough();
  let text = '';
  stream.on('data', (chunk) => (text += String(chunk)));
  return { out: Object.assign(stream, terminal) as unknown as NodeJS.WriteStream, text: () => text };
}
