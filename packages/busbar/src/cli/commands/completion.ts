/** `busbar completion`: the completion script of a shell, and the words that it asks for. */

import { invalid, quote } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { candidates } from '../completion/candidates.ts';
import { SCRIPTS, SHELLS } from '../completion/scripts.ts';
import { DONE } from '../output/exit-codes.ts';

const ACTIONS = [...SHELLS, 'words'] as const;

export const completion: Command = defineCommand({
  args: ['ACTION'],
  actions: ACTIONS,
  runs: 'WORD?',
  flags: {},
  examples: [
    ['source <(busbar completion bash)', 'in ~/.bashrc'],
    ['source <(busbar completion zsh)', 'in ~/.zshrc, after compinit'],
    ['busbar completion words -- send @', 'what may stand there: agents of the bus'],
  ],
  notes: [
    'The script completes verbs, flags and their values, and the names of agents, queues and topics on the bus.',
    'fish: busbar completion fish > ~/.config/fish/completions/busbar.fish',
  ],
  run: async ({ args: [action = ''], command, session, verbs }) => {
    const { out } = session;
    const shell = SHELLS.find((name) => name === action);
    if (shell !== undefined) await out.lines([SCRIPTS[shell]]);
    else if (action !== 'words') throw invalid(`unknown shell ${quote(action)}`, `It may be ${SHELLS.join(', ')}.`);
    else {
      const words = await candidates(command, { verbs, session });
      await (out.json ? out.jsonLines([words]) : out.lines(words));
    }
    return DONE;
  },
});
