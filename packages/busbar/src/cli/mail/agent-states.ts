/** The agents of a bus with their state and their inbox. */

import type { AgentInfo } from '@busbar/api';
import type { QueueInfo } from '@busbar/api/transport';
import { formatDuration } from '../input/durations.ts';
import type { Session } from '../session.ts';
import { mailboxes } from './mailbox.ts';
import { hasProcess } from './presence.ts';

/**
 * `online`: a process serves it or waits for its mail. `holding`: none does, but a message is held, such as after `recv`.
 * `away`: neither. `unregistered`: an inbox without an agent.
 */
export type AgentState = 'online' | 'holding' | 'away' | 'unregistered';

/** One agent. */
export interface AgentView {
  readonly info: AgentInfo;
  readonly box: QueueInfo | undefined;
  readonly state: AgentState;
}

/** All agents, and inboxes of agents that have not registered, in order of name. */
export async function agentViews(session: Session): Promise<AgentView[]> {
  const bus = await session.bus();
  const [registered, boxes] = await Promise.all([bus.agents(), mailboxes(bus.transport, session)]);
  const known = new Set(registered.map(({ name }) => name));
  const none = { online: false, capabilities: [], load: 0, limit: 0, instances: [], registeredAt: undefined };
  const others = [...boxes.keys()]
    .filter((name) => !known.has(name))
    .map((name): AgentInfo => ({ ...none, name, note: undefined }));
  const all = [...registered, ...others].sort((one, other) => (one.name < other.name ? -1 : 1));
  return all.map((info) => {
    const box = boxes.get(info.name);
    return { info, box, state: stateOf(info, box) };
  });
}

function stateOf({ instances, registeredAt }: AgentInfo, box: QueueInfo | undefined): AgentState {
  if (instances.some(hasProcess)) return 'online';
  if (box !== undefined && box.leased > 0) return 'holding';
  return registeredAt === undefined && instances.length === 0 ? 'unregistered' : 'away';
}

/** Headings of {@link agentRow}. */
export const AGENT_HEADINGS: readonly string[] = [
  ...['!AGENT', '*STATE', '#READY', '#HELD', '*#DEAD', '#OLDEST', '?#LOAD', '?CAN', '?NOTE'],
];

/** An agent as a row of a table. */
export function agentRow({ info, box, state }: AgentView): string[] {
  const { name, load, limit, capabilities, note = '' } = info;
  const oldest = box === undefined || box.ready === 0 ? '-' : formatDuration(box.oldestAgeMs);
  const counts = [box?.ready, box?.leased, box?.dead].map((count) => (count === undefined ? '-' : String(count)));
  const work = state === 'online' ? `${load}/${limit}` : '-';
  return [name, state, ...counts, oldest, work, capabilities.join(','), note];
}
