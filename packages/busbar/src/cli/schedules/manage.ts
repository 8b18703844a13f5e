/** `busbar schedule ls`, `rm`, `pause`, `resume` and `run`. */

import type { ScheduleInfo } from '@busbar/api';
import { invalid } from '@busbar/api/transport';
import { formatDuration } from '../input/durations.ts';
import { DONE } from '../output/exit-codes.ts';
import { timeOf } from '../output/message-view.ts';
import type { Output } from '../output/output.ts';
import { tableLines } from '../output/table.ts';
import { notFound, type Session } from '../session.ts';
import type { ScheduleInvocation } from './schedule-flags.ts';

export async function ls({ args: [, extra], session }: ScheduleInvocation): Promise<number> {
  const { out, call } = session;
  if (extra !== undefined) throw invalid('ls takes no name', 'Write busbar schedule ls.');
  const all = await (await session.bus()).schedules.list(call);
  if (out.json) await out.jsonLines(all.map(toJson));
  else if (all.length > 0) {
    await out.lines(tableLines(['!NAME', 'WHEN', '!TARGET', 'NEXT', '?LAST'], all.map(toRow), out));
  }
  if (all.length === 0) out.note('busbar: no schedules');
  else await noteScheduler(session);
  return DONE;
}

export async function rm({ args: [, name], session }: ScheduleInvocation): Promise<number> {
  const { out, call } = session;
  requireName(name, 'rm');
  const { schedules } = await session.bus();
  if (!(await schedules.delete(name, call))) {
    throw notFound('schedule', name, 'busbar schedule ls lists them.');
  }
  await (out.json ? out.jsonLines([{ name, removed: true }]) : out.lines([name]));
  return DONE;
}

export async function pause({ args: [, name], session }: ScheduleInvocation): Promise<number> {
  requireName(name, 'pause');
  await printSchedule(await (await session.bus()).schedules.pause(name, session.call), session.out);
  return DONE;
}

export async function resume({ args: [, name], session }: ScheduleInvocation): Promise<number> {
  requireName(name, 'resume');
  await printSchedule(await (await session.bus()).schedules.resume(name, session.call), session.out);
  return DONE;
}

export async function run({ args: [, name], session }: ScheduleInvocation): Promise<number> {
  const { out, call } = session;
  requireName(name, 'run');
  const id = await (await session.bus()).schedules.runNow(name, call);
  await (out.json ? out.jsonLines([{ name, id }]) : out.lines([id]));
  return DONE;
}

/** Throws INVALID_ARGUMENT without a name. */
export function requireName(name: string | undefined, action: string): asserts name is string {
  if (name === undefined) throw invalid('NAME is missing', `Write busbar schedule ${action} NAME.`);
}

/** Prints a schedule as JSON, or its name. */
export async function printSchedule(info: ScheduleInfo, out: Output): Promise<void> {
  await (out.json ? out.jsonLines([toJson(info)]) : out.lines([info.name]));
}

/** Says so when no process fires schedules. */
export async function noteScheduler(session: Session): Promise<void> {
  const holder = await (await session.bus()).schedules.holder(session.call);
  if (holder === undefined) session.out.note('busbar: no process fires schedules: start busbar schedule serve');
}

function toRow({ name, cron, timeZone, everyMs, target, paused, nextAt, lastAt }: ScheduleInfo): string[] {
  const when = cron === undefined ? `every ${formatDuration(everyMs ?? 0)}` : `${cron} ${timeZone}`;
  const [kind, place] = Object.entries(target)[0] ?? [];
  const next = nextAt === undefined ? '-' : timeOf(nextAt);
  return [name, when, `${kind} ${place}`, paused ? 'paused' : next, lastAt === undefined ? '-' : timeOf(lastAt)];
}

function toJson({ nextAt, lastAt, startAt, ...info }: ScheduleInfo): Record<string, unknown> {
  return { ...info, startAt: toIso(startAt), nextAt: toIso(nextAt), lastAt: toIso(lastAt) };
}

function toIso(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}
