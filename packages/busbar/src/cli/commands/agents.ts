/** `busbar agents`: lists agents, their state and their mail. */

import type { AgentInfo } from '@busbar/api';
import type { QueueInfo } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { mailboxes } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import type { Output } from '../output/output.ts';
import { tableLines } from '../output/table.ts';

export const agents: Command = defineCommand({
  args: [],
  flags: {
    capability: { kind: 'text', value: 'NAME', max: 255, help: 'only agents with this capability' },
    online: { kind: 'switch', help: 'only agents that are online' },
  },
  examples: [
    ['busbar agents', 'all agents'],
    ['busbar agents --online --capability review --json', 'agents that can review now'],
  ],
  notes: [
    'WAITING counts ready messages in the inbox, HELD leased ones, DEAD dead letters.',
    'unregistered is an inbox without an agent, as send --create-inbox makes it. busbar forget NAME deletes it.',
  ],
  run: async ({ flags, session }) => {
    const { out } = session;
    const bus = await session.bus();
    const [registered, boxes] = await Promise.all([
      bus.agents({
        capability: flags.capability,
        online: flags.online || undefined,
      }),
      mailboxes(bus.transport, session),
    ]);
    const infos = flags.online || flags.capability !== undefined ? registered : withUnregistered(registered, boxes);
    if (out.json) await out.jsonLines(infos.map((info) => toJson(info, boxes.get(info.name))));
    else if (infos.length > 0) await out.lines(toTable(infos, boxes, out));
    if (infos.length === 0) out.note('busbar: no agents; busbar register NAME creates one');
    return DONE;
  },
});

/** The agents, and the mailboxes of agents that have not registered. */
function withUnregistered(infos: readonly AgentInfo[], boxes: ReadonlyMap<string, QueueInfo>): AgentInfo[] {
  const known = new Set(infos.map(({ name }) => name));
  const others = [...boxes.keys()].filter((name) => !known.has(name));
  const none = { online: false, capabilities: [], load: 0, limit: 0, instances: [], registeredAt: undefined };
  const all = [...infos, ...others.map((name) => ({ ...none, name, note: undefined }))];
  return all.sort((one, other) => (one.name < other.name ? -1 : 1));
}

function stateOf({ online, registeredAt }: AgentInfo): string {
  if (online) return 'online';
  return registeredAt === undefined ? 'unregistered' : 'away';
}

function toJson({ registeredAt, instances, ...info }: AgentInfo, box: QueueInfo | undefined): unknown {
  return {
    ...info,
    registeredAt: registeredAt === undefined ? null : new Date(registeredAt).toISOString(),
    inbox:
      box === undefined
        ? null
        : {
            ready: box.ready,
            delayed: box.delayed,
            leased: box.leased,
            dead: box.dead,
            oldestAgeMs: Math.round(box.oldestAgeMs),
          },
    instances: instances.map((instance) => ({ ...instance, since: new Date(instance.since).toISOString() })),
  };
}

function toTable(infos: readonly AgentInfo[], boxes: ReadonlyMap<string, QueueInfo>, out: Output): string[] {
  const rows = infos.map((info) => {
    const { name, online, load, limit, capabilities, note = '' } = info;
    const box = boxes.get(name);
    const oldest = box === undefined || box.ready === 0 ? '' : formatDuration(box.oldestAgeMs);
    const counts = [box?.ready, box?.leased, box?.dead].map((count) => (count === undefined ? '-' : String(count)));
    return [name, stateOf(info), online ? `${load}/${limit}` : '-', ...counts, oldest, capabilities.join(','), note];
  });
  return tableLines(['AGENT', 'STATE', '#LOAD', '#WAITING', '#HELD', '#DEAD', '#OLDEST', 'CAN', 'NOTE'], rows, out);
}
