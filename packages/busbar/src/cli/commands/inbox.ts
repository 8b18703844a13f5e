/** `busbar inbox`: the messages that wait for an agent, or only their number. It takes none. */

import { hookOutput, wentOn } from '../agent-hooks.ts';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { findMailbox, inboxOf, requireMailbox } from '../mail/mailbox.ts';
import { BROWSED_HEADINGS, browsedJson, browsedRow } from '../output/browsed-view.ts';
import { DONE, TIMED_OUT } from '../output/exit-codes.ts';
import { count, tableLines } from '../output/table.ts';

const FLAGS = {
  count: { kind: 'switch', help: 'only the number' },
  hook: { kind: 'switch', help: 'for a hook of a coding agent: prints what it reads, or nothing without mail' },
  limit: { kind: 'integer', min: 1, max: 1000, help: 'at most this many (default 10)' },
} as const;

type InboxInvocation = Invocation<typeof FLAGS>;

/** How long a hook may delay its session. */
const HOOK_MS = 3_000;

export const inbox: Command = defineCommand({
  args: ['NAME?'],
  flags: FLAGS,
  examples: [
    ['busbar inbox @reviewer', 'the messages that wait'],
    ['busbar inbox --count --as @reviewer', 'their number, also 0'],
    ['[ "$(busbar inbox --count)" -gt 0 ] && busbar recv', 'only if there is mail'],
  ],
  notes: [
    'It takes no lease. Messages that are held or delayed are not counted. Exit 4 without --count: there is none.',
    '--hook never fails and never blocks: without an agent, an inbox or a bus it prints nothing. busbar init --hooks installs it for Claude Code, Codex, Cursor or Gemini CLI.',
  ],
  run: async (invocation) => {
    const { args, flags, session } = invocation;
    if (flags.hook) return hook(invocation).catch(() => DONE);
    const { out, call } = session;
    const agent = session.inboxOwner(args[0]);
    const { ready } = await requireMailbox(agent, session);
    if (flags.count) {
      await (out.json ? out.jsonLines([{ agent, count: ready }]) : out.lines([String(ready)]));
      return DONE;
    }
    const { admin } = await session.transport();
    const { messages } = await admin.browse(inboxOf(agent), { state: 'ready', limit: flags.limit ?? 10, ...call });
    if (out.json) await out.jsonLines(messages.map((one) => browsedJson(one)));
    else if (messages.length > 0)
      await out.lines(
        tableLines(
          BROWSED_HEADINGS,
          messages.map((one) => browsedRow(one)),
          out,
        ),
      );
    if (ready > messages.length) out.note(`busbar: ${messages.length} of ${ready}; --limit shows more`);
    if (messages.length > 0) return DONE;
    out.note('busbar: no messages');
    return TIMED_OUT;
  },
});

/** What a hook prints: context for the model; at the end of a turn, a reason to go on. */
async function hook({ args, session }: InboxInvocation): Promise<number> {
  const agent = args[0] ?? session.agentName;
  if (agent === undefined) return DONE;
  const [event, box] = await Promise.race([
    Promise.all([readEvent(session), findMailbox(agent, session)]),
    new Promise<never>((_, reject) => setTimeout(() => reject(new Error('too late')), HOOK_MS).unref()),
  ]);
  if (box === undefined || box.ready === 0) return DONE;
  const text = `${count(box.ready, 'unread message')} for ${agent} on the bus. Read one with: busbar recv ${agent} --json`;
  if (!event.isRepeated) await session.out.jsonLines([hookOutput(event.name, text)]);
  return DONE;
}

/** The event that the coding agent writes to stdin. Without one it is the start of a session. */
async function readEvent({
  signal,
}: InboxInvocation['session']): Promise<{ readonly name: string; readonly isRepeated: boolean }> {
  const { isPiped, readStdin } = await import('../input/body.ts');
  const text = isPiped() ? await readStdin({ signal }) : '';
  const input = (text.trim() === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
  return {
    name: typeof input['hook_event_name'] === 'string' ? input['hook_event_name'] : 'SessionStart',
    isRepeated: wentOn(input),
  };
}
