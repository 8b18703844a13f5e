/** `busbar agents`: lists agents, their state and their mail. */

import { type Command, defineCommand } from '../command.ts';
import { AGENT_HEADINGS, type AgentView, agentRow, agentViews } from '../mail/agent-states.ts';
import { DONE } from '../output/exit-codes.ts';
import { tableLines } from '../output/table.ts';
import { printWatched, WATCH_FLAG } from '../output/watch.ts';

export const agents: Command = defineCommand({
  args: [],
  flags: {
    capability: { kind: 'text', value: 'NAME', max: 255, help: 'only agents with this capability' },
    online: { kind: 'switch', help: 'only agents that are online' },
    ...WATCH_FLAG,
  },
  examples: [
    ['busbar agents', 'all agents'],
    ['busbar agents --online --watch', 'those that are online, again and again'],
    ['busbar agents --capability review --json', 'as JSON lines'],
  ],
  notes: [
    'online: a process serves it or waits for its mail. holding: a command of it holds a message, and no process waits. away: neither.',
    'unregistered is an inbox without an agent, as send --create-inbox makes it. busbar forget NAME deletes it.',
    'READY, HELD and DEAD count the messages of its inbox. OLDEST is the age of the oldest ready one.',
  ],
  run: async ({ flags: { capability, online, watch }, session }) => {
    const { out } = session;
    const isShown = ({ info, state }: AgentView): boolean =>
      (!online || state === 'online') && (capability === undefined || info.capabilities.includes(capability));
    await printWatched(session, watch, async () => {
      const views = (await agentViews(session)).filter(isShown);
      if (views.length === 0) out.note('busbar: no agents; busbar register NAME creates one');
      const lines = (): string[] => (views.length === 0 ? [] : tableLines(AGENT_HEADINGS, views.map(agentRow), out));
      return { values: views.map(toJson), lines };
    });
    return DONE;
  },
});

function toJson({ info: { registeredAt, instances, ...info }, box, state }: AgentView): unknown {
  return {
    ...info,
    online: state === 'online',
    state,
    registeredAt: registeredAt === undefined ? null : new Date(registeredAt).toISOString(),
    inbox:
      box === undefined
        ? null
        : {
            ready: box.ready,
            delayed: box.delayed,
            held: box.leased,
            dead: box.dead,
            oldestAgeMs: Math.round(box.oldestAgeMs),
          },
    instances: instances.map((instance) => ({ ...instance, since: new Date(instance.since).toISOString() })),
  };
}
