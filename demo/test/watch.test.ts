/** The watch over a run: what it shows, and that it notices when nothing happens. */

import { PassThrough } from 'node:stream';
import { waitFor } from '@busbar/testbed';
import { connect } from 'busbar';
import { expect, test } from 'vitest';
import { AUDITS } from '../src/bus/names.ts';
import { Display } from '../src/display/display.ts';
import { Watch } from '../src/display/watch.ts';
import { Tally } from '../src/report/run-stats.ts';

test('shows what goes on, from the start to the end, and a stall', async () => {
  await using bus = await connect('memory:', { ns: crypto.randomUUID() });
  const stream = new PassThrough();
  let text = '';
  stream.on('data', (chunk) => (text += String(chunk)));
  const display = new Display(Object.assign(stream, { isTTY: true, columns: 100 }) as unknown as NodeJS.WriteStream);
  const tally = new Tally();
  const stalls: string[] = [];
  const shown = (part: string) => waitFor(() => text.includes(part), { what: part });
  {
    using watch = new Watch({
      bus,
      tally,
      display,
      processes: 7,
      stallMs: 600,
      onStall: (stall) => stalls.push(stall),
    });
    await bus.agent('@demo.expert');
    await shown('starting · agents online: 1 of 7');
    tally.add({ kind: 'finding', files: 1200 });
    await shown('found 1,200 files so far · agents online: 1 of 7');
    tally.add({ kind: 'found', files: 2000, problems: [] });
    await bus.enqueueAll(AUDITS, [1, 2, 3]);
    watch.begin();
    watch.heard();
    await shown('░░░░ 0/2,000 files · 0/s · agents online: 1 · queued: audits 3');
    expect(stalls).toEqual([]);
    await waitFor(() => stalls[0], { what: 'a stall' });
  }
  expect(stalls[0]).toBe('nothing happened for 0.6 s');
  expect(text.endsWith('\r\x1b[2K')).toBe(true);
});
