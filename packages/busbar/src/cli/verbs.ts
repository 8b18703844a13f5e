/** The verbs: what each does in a few words, and where it is loaded from when it is asked for. */

import type { Command } from './command.ts';

/** A verb before it is loaded. */
export interface Verb {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** Under headings, as the help lists them. */
export const VERB_GROUPS: Readonly<Record<string, Readonly<Record<string, Verb>>>> = {
  'Messages to agents': {
    register: verb(
      'make a lasting mailbox for an agent',
      async () => (await import('./commands/register.ts')).register,
    ),
    send: verb('put a message into the inbox of an agent', async () => (await import('./commands/send.ts')).send),
    recv: verb('take the next message out of an inbox', async () => (await import('./commands/recv.ts')).recv),
    ack: verb('say that a message is handled', async () => (await import('./commands/ack.ts')).ack),
    nack: verb(
      'give a message back: now, later, or to the dead letters',
      async () => (await import('./commands/nack.ts')).nack,
    ),
    extend: verb('hold a message longer', async () => (await import('./commands/extend.ts')).extend),
    request: verb('ask an agent, and wait for its answer', async () => (await import('./commands/request.ts')).request),
    reply: verb('answer a request that was received', async () => (await import('./commands/reply.ts')).reply),
  },
  'Events and tasks': {
    publish: verb('publish an event', async () => (await import('./commands/publish.ts')).publish),
    tail: verb('print events as they come, or from any time', async () => (await import('./commands/tail.ts')).tail),
    task: verb('add tasks to queues, see what became of them', async () => (await import('./commands/task.ts')).task),
    dead: verb('read, put back or purge dead letters', async () => (await import('./commands/dead.ts')).dead),
  },
  'Looking at the bus': {
    agents: verb('list the agents, and who is online', async () => (await import('./commands/agents.ts')).agents),
    logs: verb('print the last log lines of an agent', async () => (await import('./commands/logs.ts')).logs),
    stats: verb('count what waits, runs, failed', async () => (await import('./commands/stats.ts')).stats),
    hub: verb('lend a store over sockets; see and stop it', async () => (await import('./commands/hub.ts')).hub),
    doctor: verb('find out why something does not work', async () => (await import('./commands/doctor.ts')).doctor),
    conformance: verb(
      'hold a backend to the rules',
      async () => (await import('./commands/conformance.ts')).conformance,
    ),
  },
};

/** Every verb by name. */
export const VERBS: ReadonlyMap<string, Verb> = new Map(
  Object.values(VERB_GROUPS).flatMap((group) => Object.entries(group)),
);

function verb(summary: string, load: () => Promise<Command>): Verb {
  return { summary, load };
}
