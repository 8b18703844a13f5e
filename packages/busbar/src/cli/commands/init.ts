/** `busbar init`: the files of a project that uses Busbar, each shown before it is written. */

import { invalid } from '@busbar/api/transport';
import { findRepository } from '../../config/git-repository.ts';
import { workingFolder } from '../../config/locate-bus.ts';
import { parseBusName } from '../../schemes.ts';
import type { HookHost } from '../agent-hooks.ts';
import { type Command, defineCommand } from '../command.ts';
import { checkAgent } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import type { Output } from '../output/output.ts';
import { printableLine } from '../output/printable.ts';
import { changesOf, type FileChange, writeChange } from '../project-files.ts';

export const init: Command = defineCommand({
  args: [],
  flags: {
    bus: { kind: 'text', value: 'BUS', help: 'the bus in busbar.config.json (default sqlite)' },
    hooks: {
      kind: 'choice',
      choices: ['claude', 'codex', 'cursor', 'gemini'],
      help: 'hooks of this agent that show unread mail',
    },
    'agents-md': { kind: 'switch', help: 'a section of AGENTS.md for every agent that reads it' },
    yes: { kind: 'switch', help: 'write the files; without it they are only shown' },
  },
  examples: [
    ['busbar init', 'shows what it would write'],
    ['busbar init --yes', 'writes busbar.config.json and a line of .gitignore'],
    ['busbar init --hooks claude --as @claude --yes', 'also hooks for an agent'],
    ['busbar init --agents-md --yes', 'for agents without hooks, such as opencode'],
  ],
  notes: [
    'It writes beside .git, or in this folder without .git. It keeps what a file has: a config that exists stays as it is.',
    'The hooks run at the start of a session, with each prompt, and at the end of a turn. They take no message, and are silent without mail. The agent is --as, else BUSBAR_AGENT of the session.',
    'Of Claude Code one more hook waits after each turn, up to 12 h, and wakes an idle session when mail arrives. No hook can wake an idle session of Codex, Cursor or Gemini CLI: it sees mail at its next prompt or turn.',
    '--hooks claude writes .claude/settings.json of Claude Code, codex .codex/hooks.json of Codex, cursor .cursor/hooks.json of Cursor, gemini .gemini/settings.json of Gemini CLI. The agent may ask you to trust or enable them. Cursor has no hook for a prompt that adds context.',
    '--agents-md adds a section to AGENTS.md, which tells an agent to look for mail and to run busbar guide. Codex, Cursor and opencode read this file; Gemini CLI does with context.fileName in its settings.',
  ],
  run: async ({ flags: { bus = 'sqlite', hooks, 'agents-md': agentsMd, yes, as }, session: { out } }) => {
    if (as !== undefined) checkAgent(as);
    if (parseBusName(bus, '--bus').kind === 'word')
      throw invalid('--bus is a name of busbar.config.json', 'Give a short name such as sqlite, or a URL.');
    const cwd = workingFolder();
    const folder = findRepository(cwd)?.root ?? cwd;
    const changes = changesOf(folder, { bus, hooks: hooks as HookHost | undefined, agentsMd, agent: as });
    for (const change of changes) {
      await show(change, yes, out);
      if (yes) writeChange(change);
    }
    const open = changes.filter(({ after, before }) => after !== before).length;
    if (open === 0) out.note('busbar: everything is there');
    else if (!yes) out.note(`busbar: nothing was written; busbar init --yes writes ${open === 1 ? 'it' : 'them'}`);
    return DONE;
  },
});

async function show({ path, before, after }: FileChange, yes: boolean, out: Output): Promise<void> {
  const action = before === undefined ? 'create' : before === after ? 'keep' : 'change';
  if (out.json) return out.jsonLines([{ path, action, written: yes && action !== 'keep', content: after }]);
  if (action === 'keep') return out.lines([`keep    ${path}`]);
  const known = new Set(before?.split('\n'));
  const lines = after.replace(/\n$/, '').split('\n');
  const shown = lines.map((line) => `${known.has(line) ? '  ' : '+ '}${printableLine(line)}`);
  return out.lines([`${action.padEnd(6)}  ${path}`, ...shown, '']);
}
