/** `busbar schedule`: messages at planned times. */

import { type Command, defineCommand, selectAction } from '../command.ts';
import { BODY_NOTE } from '../input/body.ts';
import { add } from '../schedules/add.ts';
import { ls, pause, resume, rm, run } from '../schedules/manage.ts';
import { MESSAGE_FLAGS, SCHEDULE_FLAGS, type ScheduleInvocation } from '../schedules/schedule-flags.ts';
import { serve } from '../schedules/serve.ts';

const ACTIONS: Readonly<Record<string, (invocation: ScheduleInvocation) => Promise<number>>> = {
  ...{ add, ls, rm, pause, resume, run, serve },
};

const FLAGS = { ...SCHEDULE_FLAGS, ...MESSAGE_FLAGS };

export const schedule: Command = defineCommand({
  args: ['ACTION', 'NAME?', 'BODY?'],
  actions: Object.keys(ACTIONS),
  flagsOfActions: { add: Object.keys(FLAGS), ls: [], rm: [], pause: [], resume: [], run: [], serve: [] },
  flags: FLAGS,
  examples: [
    [`busbar schedule add nightly --cron '0 2 * * *' --queue report`, 'a task at 02:00 UTC'],
    [`busbar schedule add look --every 10m --to @reviewer '{"all":true}'`, 'a message to an agent'],
    ['busbar schedule serve', 'fires them, until Ctrl-C; several processes may, one at a time does'],
    ['busbar schedule ls', 'all schedules with their next planned times'],
    ['busbar schedule run nightly', 'sends its message now, and prints the id'],
    ['busbar schedule pause nightly', 'until busbar schedule resume nightly'],
    ['busbar schedule rm nightly', 'its messages stay'],
  ],
  notes: [
    'A cron expression has minute, hour, day of the month, month and day of the week, or seconds in front of them; or it is @hourly, @daily, @weekly, @monthly, @yearly.',
    'add changes a schedule that exists; an equal one stays as it is. Each message has the headers schedule-name and schedule-time.',
    'Only a process that runs schedule serve or work --schedules, or bus.schedules.start() in a program, fires schedules.',
    BODY_NOTE,
  ],
  run: async (invocation) => selectAction(ACTIONS, invocation.args[0])(invocation),
});
