/** `busbar lock`: runs a command under a lock, and lists locks. */

import { invalid } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { DONE } from '../output/exit-codes.ts';
import { timeOf } from '../output/message-view.ts';
import { tableLines } from '../output/table.ts';
import { printWatched, WATCH_FLAG } from '../output/watch.ts';
import type { Session } from '../session.ts';
import { holdDuring, LOCK_FLAGS, LOCK_NOTES } from '../work/hold-lock.ts';
import { type ListedLock, listLocks } from '../work/list-locks.ts';
import { toCommandLine } from '../work/program.ts';

export const lock: Command = defineCommand({
  args: ['NAME|ls'],
  runs: 'CMD?',
  flags: { ...LOCK_FLAGS, watch: { ...WATCH_FLAG.watch, help: `ls: ${WATCH_FLAG.watch.help}` } },
  examples: [
    ['busbar lock deploy -- ./deploy.sh', 'one process at a time on the whole bus'],
    ['busbar lock deploy --wait 0 -- ./deploy.sh', 'exit 6 at once if another one runs it'],
    ['busbar lock ls', 'locks and slots of semaphores with their holders'],
  ],
  notes: [...LOCK_NOTES],
  run: async ({ args: [name = ''], flags, session, command: words }) => {
    if (words.length === 0 && name === 'ls') return list(flags.watch, session);
    if (flags.watch !== undefined) throw invalid('--watch is for the list', 'Write busbar lock ls --watch.');
    if (words.length === 0) throw invalid('CMD is missing', `Write busbar lock ${name} -- CMD, or busbar lock ls.`);
    const command = toCommandLine(words, session.env);
    session.createsBus();
    const bus = await session.bus();
    const what = `lock ${JSON.stringify(name)}`;
    return holdDuring(session, { what, name, command, flags, take: (options) => bus.lock(name, options) });
  },
});

async function list(watch: number | undefined, session: Session): Promise<number> {
  const { out } = session;
  const headings = ['!NAME', 'KIND', 'HOLDER', 'SINCE', '#TOKEN', '#LEASE'];
  await printWatched(session, watch, async () => {
    const locks = await listLocks(session);
    if (locks.length === 0) out.note('busbar: no locks are held');
    const values = locks.map((one) => ({ ...one, since: new Date(one.since).toISOString() }));
    return { values, lines: () => (locks.length === 0 ? [] : tableLines(headings, locks.map(toRow), out)) };
  });
  return DONE;
}

function toRow({ name, kind, owner, pid, host, since, token, leaseLeftMs }: ListedLock): string[] {
  const place = [pid === undefined ? '' : `pid ${pid}`, host ?? ''].filter((text) => text !== '').join(' on ');
  const holder = place === '' ? owner : `${owner} (${place})`;
  const left = leaseLeftMs === undefined ? '' : formatDuration(leaseLeftMs);
  return [name, kind, holder, timeOf(since), String(token), left];
}
