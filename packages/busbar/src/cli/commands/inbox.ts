/** `busbar inbox`: the messages that wait for an agent, or only their number. It takes none. */

import { invalid } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { inboxOf, requireMailbox } from '../mail/mailbox.ts';
import { BROWSED_HEADINGS, browsedJson, browsedRow } from '../output/browsed-view.ts';
import { DONE, TIMED_OUT } from '../output/exit-codes.ts';
import { tableLines } from '../output/table.ts';
import { printWatched, type Shown, WATCH_FLAG } from '../output/watch.ts';
import type { Session } from '../session.ts';

const FLAGS = {
  count: { kind: 'switch', help: 'only the number' },
  hook: { kind: 'switch', help: 'for a hook of a coding agent: prints what it reads, or nothing without mail' },
  wait: { kind: 'wait', help: 'with --hook: wait for mail in the background; then exit 2, which wakes the session' },
  limit: { kind: 'integer', min: 1, max: 1000, help: 'at most this many (default 10)' },
  ...WATCH_FLAG,
} as const;

export const inbox: Command = defineCommand({
  args: ['NAME?'],
  flags: FLAGS,
  examples: [
    ['busbar inbox @reviewer', 'the messages that wait'],
    ['busbar inbox --count --as @reviewer', 'their number, also 0'],
    ['busbar inbox @reviewer --watch', 'again and again'],
    ['[ "$(busbar inbox --count)" -gt 0 ] && busbar recv', 'only if there is mail'],
  ],
  notes: [
    'It takes no lease. Messages that are held or delayed are not counted. Exit 4 without --count: there is none.',
    '--hook never fails and never blocks: without an agent, an inbox or a bus it prints nothing. busbar init --hooks installs it for Claude Code, Codex, Cursor or Gemini CLI.',
    'At the end of a turn that a hook continued, --hook tells only of mail that came since. --hook --wait tells once of each message; the next one of a session takes its place.',
    'Only Claude Code can be woken: it reads stderr of a hook in the background that exits with 2. Sessions of the others see mail at their next prompt or turn; busbar work runs an agent for each message.',
  ],
  run: async (invocation) => {
    const { args, flags, session } = invocation;
    if (flags.wait !== undefined && !flags.hook)
      throw invalid('--wait needs --hook', 'busbar recv --wait waits for a message, inbox --watch looks again.');
    if (flags.hook) {
      const { lookOnce, waitForMail } = await import('../mail/mail-hook.ts');
      const agent = args[0] ?? session.agentName;
      if (agent === undefined) return DONE;
      const running = flags.wait === undefined ? lookOnce(agent, session) : waitForMail(agent, flags.wait, session);
      return running.catch(() => DONE);
    }
    const agent = session.inboxOwner(args[0]);
    let shown = 0;
    await printWatched(session, flags.watch, async () => {
      const found = flags.count ? await countMail(agent, session) : await findMail(agent, flags.limit, session);
      shown = found.values.length;
      return found;
    });
    if (shown > 0 || flags.watch !== undefined) return DONE;
    session.out.note('busbar: no messages');
    return TIMED_OUT;
  },
});

async function countMail(agent: string, session: Session): Promise<Shown> {
  const { ready } = await requireMailbox(agent, session);
  return { values: [{ agent, count: ready }], lines: () => [String(ready)] };
}

async function findMail(agent: string, limit: number | undefined, session: Session): Promise<Shown> {
  const { out, call } = session;
  const { ready } = await requireMailbox(agent, session);
  const { admin } = await session.transport();
  const { messages } = await admin.browse(inboxOf(agent), { state: 'ready', limit: limit ?? 10, ...call });
  if (ready > messages.length) out.note(`busbar: ${messages.length} of ${ready}; --limit shows more`);
  const rows = messages.map((one) => browsedRow(one));
  return {
    values: messages.map((one) => browsedJson(one)),
    lines: () => (rows.length === 0 ? [] : tableLines(BROWSED_HEADINGS, rows, out)),
  };
}
