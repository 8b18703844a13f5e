/** The planned times of a schedule. */

import type { Cron } from 'croner';
import { invalid } from '../../contract/errors.ts';
import { quote } from '../../contract/names.ts';
import { textOf } from '../../contract/thrown.ts';

/** When a schedule fires, as it is stored. Times are milliseconds since 1970. */
export interface StoredTiming {
  readonly cron?: string;
  readonly timeZone?: string;
  readonly everyMs?: number;
  readonly startAt?: number;
}

/** The planned times of one schedule, in order. */
export interface PlannedTimes {
  /** The first one after `time`; undefined without one. */
  after(time: number): number | undefined;
  /** The last one up to `now`, of `first` and those after it. `first` is one of them. */
  latest(first: number, now: number): number;
}

const FIELDS = /^(@[a-z]+|[^\s?]+(\s+[^\s?]+){4,5})$/i;
const HINT = "Such as '0 2 * * *' (at 02:00), '*/5 * * * *' (every five minutes), '0 9 * * MON-FRI' or '@hourly'.";

/** The planned times of `timing`, of a schedule that was put at `since`. Rejects with INVALID_ARGUMENT for a bad expression. */
export async function plannedTimes(timing: StoredTiming, since: number): Promise<PlannedTimes> {
  const { cron, timeZone = 'UTC', everyMs = Number.POSITIVE_INFINITY, startAt } = timing;
  if (cron === undefined) return new IntervalTimes(startAt ?? since + everyMs, everyMs);
  return new CronTimes(await parseCron(cron, timeZone), startAt ?? since);
}

/** Times at equal distances. */
class IntervalTimes implements PlannedTimes {
  readonly #first: number;
  readonly #everyMs: number;

  constructor(first: number, everyMs: number) {
    this.#first = first;
    this.#everyMs = everyMs;
  }

  after(time: number): number {
    return time < this.#first ? this.#first : this.latest(this.#first, time) + this.#everyMs;
  }

  latest(first: number, now: number): number {
    return first + Math.max(0, Math.floor((now - first) / this.#everyMs)) * this.#everyMs;
  }
}

/** Times of a cron expression. */
class CronTimes implements PlannedTimes {
  readonly #cron: Cron;
  readonly #start: number;

  constructor(cron: Cron, start: number) {
    this.#cron = cron;
    this.#start = start;
  }

  after(time: number): number | undefined {
    return this.#cron.nextRun(new Date(Math.max(time, this.#start - 1)))?.getTime();
  }

  latest(first: number, now: number): number {
    const next = this.after(first);
    if (next === undefined || next > now) return first;
    // It looks for times before the given one.
    return Math.max(next, this.#cron.previousRuns(1, new Date(now + 1))[0]?.getTime() ?? next);
  }
}

/** Loads the library only for schedules with an expression. */
async function parseCron(expression: string, timeZone: string): Promise<Cron> {
  // The library also takes a date, and a question mark for the time at which it parses.
  if (!FIELDS.test(expression)) throw badCron(expression, 'it has not five or six fields');
  const { Cron } = await import('croner');
  checkTimeZone(timeZone);
  try {
    return new Cron(expression, { timezone: timeZone, mode: '5-or-6-parts', paused: true });
  } catch (error) {
    throw badCron(expression, textOf(error).replace(/^CronPattern: /, ''));
  }
}

function badCron(expression: string, why: string): Error {
  return invalid(`the cron expression ${quote(expression)} is illegal: ${why}`, HINT);
}

function checkTimeZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    throw invalid(`unknown time zone ${quote(timeZone)}`, "Use a name of the IANA database, such as 'Europe/Berlin'.");
  }
}
