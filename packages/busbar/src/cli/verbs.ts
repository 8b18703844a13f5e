/** The verbs: a summary of each, and the module that is loaded when it runs. */

import type { Command, Verb, VerbGroups } from './command.ts';

/** By heading, in the order of the help. */
export const VERB_GROUPS: VerbGroups = {
  'Messages to agents': {
    register: verb('create the mailbox of an agent', async () => (await import('./commands/register.ts')).register),
    send: verb('send a message to an agent', async () => (await import('./commands/send.ts')).send),
    recv: verb('receive the next message of an inbox', async () => (await import('./commands/recv.ts')).recv),
    inbox: verb(
      'show the messages that wait, or their number',
      async () => (await import('./commands/inbox.ts')).inbox,
    ),
    ack: verb('remove a handled message', async () => (await import('./commands/settle.ts')).ack),
    retry: verb('deliver a message again, now or later', async () => (await import('./commands/settle.ts')).retry),
    reject: verb('make a message a dead letter', async () => (await import('./commands/settle.ts')).reject),
    release: verb('return a message that was not handled', async () => (await import('./commands/settle.ts')).release),
    extend: verb('renew the lease of a message', async () => (await import('./commands/settle.ts')).extend),
    forget: verb('delete an agent and its mailbox', async () => (await import('./commands/forget.ts')).forget),
    request: verb(
      'send a request and wait for the response',
      async () => (await import('./commands/request.ts')).request,
    ),
    broadcast: verb('send a message to all agents', async () => (await import('./commands/broadcast.ts')).broadcast),
    reply: verb('respond to a request, or write back', async () => (await import('./commands/reply.ts')).reply),
  },
  'Events and tasks': {
    publish: verb('publish an event', async () => (await import('./commands/publish.ts')).publish),
    tail: verb('print events, live or from any time', async () => (await import('./commands/tail.ts')).tail),
    sub: verb('handle events of a durable subscription', async () => (await import('./commands/sub.ts')).sub),
    subs: verb('list, move and delete durable subscriptions', async () => (await import('./commands/subs.ts')).subs),
    work: verb('run a command for each message', async () => (await import('./commands/work.ts')).work),
    enqueue: verb('add a task to a queue', async () => (await import('./commands/enqueue.ts')).enqueue),
    task: verb('add, take, settle, watch and list tasks', async () => (await import('./commands/task.ts')).task),
    schedule: verb('send messages at planned times', async () => (await import('./commands/schedule.ts')).schedule),
    lock: verb('run a command under a lock; list locks', async () => (await import('./commands/lock.ts')).lock),
    semaphore: verb(
      'run a command in one of several slots',
      async () => (await import('./commands/semaphore.ts')).semaphore,
    ),
    dead: verb('list, redrive or purge dead letters', async () => (await import('./commands/dead.ts')).dead),
  },
  'Audit log': {
    audit: verb('list messages with their last known fate', async () => (await import('./commands/audit.ts')).audit),
    show: verb('print the state and the trail of a message', async () => (await import('./commands/show.ts')).show),
    thread: verb('print the conversation around a message', async () => (await import('./commands/thread.ts')).thread),
    trace: verb(
      'print what followed from a message, with times',
      async () => (await import('./commands/trace.ts')).trace,
    ),
  },
  Operation: {
    top: verb('show what is busy, again and again', async () => (await import('./commands/top.ts')).top),
    agents: verb('list agents and their state', async () => (await import('./commands/agents.ts')).agents),
    queues: verb('list queues and their counts', async () => (await import('./commands/queues.ts')).queues),
    topics: verb('list topics and their subscriptions', async () => (await import('./commands/topics.ts')).topics),
    peek: verb('show messages without receiving them', async () => (await import('./commands/peek.ts')).peek),
    ping: verb('ask an agent whether it is there', async () => (await import('./commands/ping.ts')).ping),
    logs: verb('print the log of an agent', async () => (await import('./commands/logs.ts')).logs),
    stats: verb(
      'print counts and rates of queues, requests and agents',
      async () => (await import('./commands/stats.ts')).stats,
    ),
    log: verb('write a line to the log of an agent', async () => (await import('./commands/log.ts')).log),
    wait: verb(
      'wait for an agent, a queue, a message or an event',
      async () => (await import('./commands/wait.ts')).wait,
    ),
    pause: verb('stop the delivery of a queue', async () => (await import('./commands/pause.ts')).pause),
    resume: verb('start the delivery of a queue again', async () => (await import('./commands/pause.ts')).resume),
    limit: verb('show or set the rate limit of a queue', async () => (await import('./commands/limit.ts')).limit),
    purge: verb('delete messages of a queue', async () => (await import('./commands/purge.ts')).purge),
    rm: verb('delete an agent, a queue or a subscription', async () => (await import('./commands/rm.ts')).rm),
    health: verb('whether the bus answers, and how fast', async () => (await import('./commands/health.ts')).health),
    check: verb('one line and an exit code for monitoring', async () => (await import('./commands/check.ts')).check),
    export: verb(
      'write everything that the bus holds as JSON lines',
      async () => (await import('./commands/export.ts')).exportBus,
    ),
    import: verb('add what export has written', async () => (await import('./commands/import.ts')).importBus),
    migrate: verb('move the bus to another backend', async () => (await import('./commands/migrate.ts')).migrate),
    bridge: verb('forward queues and topics to another bus', async () => (await import('./commands/bridge.ts')).bridge),
    hub: verb('serve a store over sockets; show or stop a hub', async () => (await import('./commands/hub.ts')).hub),
    where: verb(
      'which bus this is and why, and others nearby',
      async () => (await import('./commands/where.ts')).where,
    ),
    doctor: verb(
      'check everything between the shell and its bus',
      async () => (await import('./commands/doctor.ts')).doctor,
    ),
    conformance: verb(
      'run the conformance suite on a backend',
      async () => (await import('./commands/conformance.ts')).conformance,
    ),
  },
  Help: {
    guide: verb('print a page for coding agents', async () => (await import('./commands/guide.ts')).guide),
    init: verb('write the files of a project', async () => (await import('./commands/init.ts')).init),
    help: verb('print help, also about a verb or a topic', async () => (await import('./commands/help.ts')).help),
    completion: verb(
      'print the completion for bash, zsh or fish',
      async () => (await import('./commands/completion.ts')).completion,
    ),
    version: verb('print the version', async () => (await import('./commands/version.ts')).version),
  },
};

function verb(summary: string, load: () => Promise<Command>): Verb {
  return { summary, load };
}
