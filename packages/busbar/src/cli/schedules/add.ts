/** `busbar schedule add`: adds or changes a schedule. */

import type { ScheduleOptions } from '@busbar/api';
import { invalid } from '@busbar/api/transport';
import { readBody } from '../input/body.ts';
import { toMailOptions } from '../input/mail-flags.ts';
import { DONE } from '../output/exit-codes.ts';
import { noteScheduler, printSchedule, requireName } from './manage.ts';
import type { ScheduleInvocation } from './schedule-flags.ts';

/** Adds or changes a schedule, and prints its name. */
export async function add({ args: [, name, argument], flags, session }: ScheduleInvocation): Promise<number> {
  const { out, signal, call } = session;
  requireName(name, 'add');
  const { cron, tz, every, start, missed, queue, topic, to, type, text } = flags;
  const body = await readBody(argument, { text, optional: true, signal, out });
  const { maxAttempts, orderingKey, priority, ttlMs, correlationId, headers } = toMailOptions(flags);
  const options = {
    ...{ cron, timeZone: tz, everyMs: every, startAt: start === undefined ? undefined : toDate(start) },
    ...{ queue, topic, to, type: to === undefined ? type : (type ?? 'message') },
    ...{ body, missed: missed as 'once' | 'skip' | undefined },
    ...{ maxAttempts, orderingKey, priority, ttlMs, correlationId, headers, ...call },
    // The bus refuses flags that exclude each other.
  } as ScheduleOptions;
  const put = await session.create(async () => (await session.bus()).schedules.put(name, options));
  await printSchedule(put, out);
  await noteScheduler(session);
  return DONE;
}

function toDate(text: string): Date {
  const date = /^\d{4}-\d\d/.test(text) ? new Date(text) : new Date(Number.NaN);
  if (!Number.isNaN(date.getTime())) return date;
  throw invalid(`--start is illegal: ${JSON.stringify(text)}`, 'Use a date like 2026-11-21T09:30.');
}
