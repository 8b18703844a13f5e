/** `busbar ping`: asks an agent whether it is there, and measures how long that takes. */

import { setTimeout as sleep } from 'node:timers/promises';
import { BusbarError, isBusbarError } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { type AgentView, agentViews } from '../mail/agent-states.ts';
import { requireMailbox } from '../mail/mailbox.ts';
import { waitsInShell } from '../mail/presence.ts';
import { DONE } from '../output/exit-codes.ts';
import { count } from '../output/table.ts';
import type { Session } from '../session.ts';

/** Every responder answers it without a handler. */
const PING = '$ping';
const TIMEOUT_MS = 5_000;
const EVERY_MS = 1_000;

export const ping: Command = defineCommand({
  args: ['AGENT'],
  flags: {
    count: { kind: 'integer', min: 1, max: 1_000_000, help: 'this many times, one a second (default 1)' },
  },
  examples: [
    ['busbar ping @auth', 'how long a request takes'],
    ['busbar ping @auth --count 5 --json', 'an object for each'],
  ],
  notes: [
    'It runs no handler. An agent in a shell answers no requests; then the answer is whether a command waits for its mail.',
    'Exit 5: it is not online. Exit 3: it is unknown. Exit 4: no answer within --timeout (default 5s).',
  ],
  run: async ({ args: [agent = ''], flags, session }) => {
    await requireMailbox(agent, session);
    const { out, signal } = session;
    for (let number = 1; ; number += 1) {
      const ms = await ask(agent, session);
      if (out.json) await out.jsonLines([{ agent, answered: ms !== undefined, ms: ms ?? null }]);
      else
        await out.lines([ms === undefined ? `${agent} waits for mail in a shell` : `${agent} ${formatDuration(ms)}`]);
      if (number >= (flags.count ?? 1)) return DONE;
      await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return DONE;
    }
  },
});

/** How long an answer took; undefined for an agent in a shell. Throws NO_RESPONDER for one that is not online. */
async function ask(agent: string, session: Session): Promise<number | undefined> {
  const sender = await session.senderAgent();
  const began = performance.now();
  try {
    await sender.request(agent, PING, undefined, {
      timeoutMs: session.timeoutMs ?? TIMEOUT_MS,
      signal: session.signal,
    });
    return performance.now() - began;
  } catch (error) {
    if (!isBusbarError(error) || error.code !== 'NO_RESPONDER') throw error;
    const view = (await agentViews(session)).find(({ info }) => info.name === agent);
    if (view !== undefined && waitsInShell(view.info.instances)) return undefined;
    throw notOnline(agent, view, error);
  }
}

function notOnline(agent: string, view: AgentView | undefined, cause: BusbarError): BusbarError {
  const state = view?.state ?? 'away';
  const isElsewhere = state === 'online';
  return new BusbarError(
    'NO_RESPONDER',
    isElsewhere ? `${agent} is online, but serves no requests over this bus` : `${agent} is not online: ${state}`,
    {
      hint: isElsewhere
        ? 'It may use the same store by a hub, or without one: see busbar help where.'
        : `${count(view?.box?.ready ?? 0, 'ready message')} in its inbox. busbar agents lists all agents.`,
      outcome: 'failed',
      cause,
    },
  );
}
