/** `busbar limit`: shows or sets how many tasks of a queue may start in a time. */

import type { RateLimit } from '@busbar/api';
import { invalid, quote } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration, parseDuration } from '../input/durations.ts';
import { DONE } from '../output/exit-codes.ts';

const FORM = /^(\d{1,7})\/(.+)$/;
const DAY_MS = 86_400_000;

export const limit: Command = defineCommand({
  args: ['QUEUE', 'RATE?'],
  flags: {},
  examples: [
    ['busbar limit build 10/1s', 'ten tasks may start in a second, for all workers together'],
    ['busbar limit build', 'prints the limit'],
    ['busbar limit build none', 'deletes it'],
  ],
  notes: [
    'Workers that run follow it at once. It counts before the rateLimit of a worker, which reports the difference.',
    'A worker that is running with a rateLimit sets its own again after none.',
  ],
  run: async ({ args: [name = '', rate], session }) => {
    const { out, call } = session;
    const queue = (await session.bus()).queue(name);
    if (rate !== undefined) await queue.configure({ rateLimit: parseRate(rate) }, call);
    const rateLimit = (await queue.info(call))?.rateLimit;
    if (out.json) await out.jsonLines([{ queue: name, rateLimit: rateLimit ?? null }]);
    else await out.lines([rateLimit === undefined ? 'none' : formatRate(rateLimit)]);
    return DONE;
  },
});

/** A limit as {@link limit} reads it: `10/1s`. */
export function formatRate({ max, perMs }: RateLimit): string {
  return `${max}/${formatDuration(perMs)}`;
}

function parseRate(text: string): RateLimit | 'none' {
  if (text === 'none') return text;
  const [, max, per] = FORM.exec(text) ?? [];
  if (per === undefined) throw invalid(`illegal rate: ${quote(text)}`, 'Write it like 10/1s or 100/1m, or none.');
  return { max: Number(max), perMs: parseDuration(per, 'the time of the rate', 10, DAY_MS) };
}
