/** `busbar logs`: prints the log of an agent. */

import { type Command, defineCommand } from '../command.ts';
import { findMailbox, requireMailbox } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import { timeOf } from '../output/message-view.ts';
import type { Output } from '../output/output.ts';
import { printableLine } from '../output/printable.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const STYLES = { debug: 'dim', info: 'cyan', warn: 'yellow', error: 'red' } as const;

type AgentLogLine = { readonly at: number; readonly level: (typeof LEVELS)[number]; readonly text: string };

export const logs: Command = defineCommand({
  args: ['AGENT'],
  flags: {
    level: { kind: 'choice', choices: LEVELS, help: 'only lines of this level and above' },
    lines: { kind: 'integer', min: 1, max: 100, help: 'at most this many (default 100, all that are kept)' },
  },
  examples: [
    ['busbar logs @worker', 'its last 100 lines'],
    ['busbar logs @worker --level warn --json', 'warnings and errors, as JSON lines'],
  ],
  run: async ({ args: [agent = ''], flags, session }) => {
    const { out } = session;
    const all = await (await session.bus()).agentLogs(agent);
    if (all.length === 0 && (await findMailbox(agent, session)) === undefined) await requireMailbox(agent, session);
    const least = LEVELS.indexOf((flags.level ?? 'debug') as AgentLogLine['level']);
    const lines = all.filter(({ level }) => LEVELS.indexOf(level) >= least).slice(-(flags.lines ?? 100));
    if (out.json) await out.jsonLines(lines.map((line) => ({ ...line, at: new Date(line.at).toISOString() })));
    else await out.lines(lines.map((line) => toText(line, out)));
    if (lines.length === 0) out.note('busbar: no log lines');
    return DONE;
  },
});

function toText({ at, level, text }: AgentLogLine, out: Output): string {
  return `${out.paint('dim', timeOf(at))} ${out.paint(STYLES[level] ?? 'dim', printableLine(level).padEnd(5))} ${printableLine(text)}`;
}
