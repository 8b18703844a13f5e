/** `busbar logs`: prints the log of an agent. */

import type { LogLine } from '@busbar/api';
import type { KvChange } from '@busbar/api/transport';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { logPrefix, readLines } from '../mail/agent-log.ts';
import { findMailbox, requireMailbox } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import { timeOf } from '../output/message-view.ts';
import type { Output } from '../output/output.ts';
import { printableLine } from '../output/printable.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const STYLES = { debug: 'dim', info: 'cyan', warn: 'yellow', error: 'red' } as const;

const FLAGS = {
  level: { kind: 'choice', choices: LEVELS, help: 'only lines of this level and above' },
  lines: { kind: 'integer', min: 1, max: 100, help: 'at most this many (default 100, all that are kept)' },
  follow: { kind: 'switch', short: 'f', help: 'print new lines too, until Ctrl-C' },
} as const;

type LogsInvocation = Invocation<typeof FLAGS>;

export const logs: Command = defineCommand({
  args: ['AGENT'],
  flags: FLAGS,
  examples: [
    ['busbar logs @worker', 'its last 100 lines'],
    ['busbar logs @worker -f', 'and those that follow'],
    ['busbar logs @worker --level warn --json', 'warnings and errors, as JSON lines'],
  ],
  run: async (invocation) => {
    const { args, flags, session } = invocation;
    const { out } = session;
    const [agent = ''] = args;
    const all = await (await session.bus()).agentLogs(agent, session.call);
    if (all.length === 0 && (await findMailbox(agent, session)) === undefined) await requireMailbox(agent, session);
    const lines = all.filter((line) => isWanted(line, flags)).slice(-(flags.lines ?? 100));
    await print(lines, out);
    if (flags.follow) await follow(agent, all, invocation);
    else if (lines.length === 0) out.note('busbar: no log lines');
    return DONE;
  },
});

/** Prints the lines that come after `before`, until the command is interrupted or its reader ends. */
async function follow(agent: string, before: readonly LogLine[], { flags, session }: LogsInvocation): Promise<void> {
  const { kv } = await session.transport();
  session.endWithReader();
  // An entry has the last lines of one process: those that it had are known.
  const known = new Map<string, Set<string>>();
  const first = new Set(before.map((line) => JSON.stringify(line)));
  const failed = Promise.withResolvers<never>();
  const onChanges = async (changes: readonly KvChange[]): Promise<void> => {
    for (const change of changes) {
      if (change.kind !== 'put') continue;
      const lines = readLines(change.entry);
      const old = known.get(change.entry.key) ?? first;
      known.set(change.entry.key, new Set(lines.map((line) => JSON.stringify(line))));
      const added = lines.filter((line) => !old.has(JSON.stringify(line)) && isWanted(line, flags));
      await print(added, session.out).catch(failed.reject);
    }
  };
  const watch = await kv.watch(logPrefix(agent), onChanges, session.call);
  const interrupted = Promise.withResolvers<void>();
  session.signal.addEventListener('abort', () => interrupted.resolve(), { once: true });
  if (session.signal.aborted) interrupted.resolve();
  const ended = watch.ended.then((error) => {
    if (error !== undefined) throw error;
  });
  await Promise.race([interrupted.promise, ended, failed.promise]);
  await watch.close();
}

function isWanted({ level }: LogLine, flags: LogsInvocation['flags']): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf((flags.level ?? 'debug') as LogLine['level']);
}

function print(lines: readonly LogLine[], out: Output): Promise<void> {
  if (out.json) return out.jsonLines(lines.map((line) => ({ ...line, at: new Date(line.at).toISOString() })));
  return out.lines(lines.map((line) => toText(line, out)));
}

function toText({ at, level, text }: LogLine, out: Output): string {
  return `${out.paint('dim', timeOf(at))} ${out.paint(STYLES[level] ?? 'dim', printableLine(level).padEnd(5))} ${printableLine(text)}`;
}
