/** All targets, by name. Each is loaded in the process that uses it. */

import type { Client, TargetLocation } from '../client.ts';
import type { Durability } from '../durability.ts';
import { SERVERS, type ServerName } from '../sandbox/servers.ts';
import { LONG_SCENARIOS, type ScenarioName } from '../scenarios/scenario-name.ts';
import type { Target } from './target.ts';

/** A hub is compared with direct access to the file, and with peers that have no hub. */
const HUB = {
  urlOf: ({ url }: TargetLocation): string => url,
  beside: { one: ['moleculer', 'sqlite'], many: ['sqlite-many'] },
};

/** Targets that write files themselves. */
const FILE: readonly Durability[] = ['process', 'power'];
const ALL: readonly ScenarioName[] = [
  ...(['queue', 'request', 'fanout', 'wake', 'idle', 'writers', 'replay', 'payload'] as const),
];
/** What the Bus adds, and what its users ask. */
const OF_BUS: readonly ScenarioName[] = [
  ...(['queue', 'request', 'rate', 'fanout', 'idle', 'memory'] as const),
  ...(['parallel', 'failing', 'stream', 'lock'] as const),
];
/** Job queues and what people use in their place. */
const JOBS: readonly ScenarioName[] = ['queue', 'rate', 'wake', 'idle', 'writers', 'memory', 'parallel'];

export const TARGETS: Readonly<Record<string, Target>> = {
  ...busbar('sqlite', {
    durabilities: FILE,
    urlOf: ({ folder, durability }) => `sqlite:${folder}/bus.db?durability=${durability}`,
    beside: { one: ['plainjob', 'moleculer'], many: ['plainjob-many'] },
  }),
  plainjob: {
    about: 'plainjob: add() for each, a transaction each; its worker takes one at a time and polls each second',
    can: JOBS,
    durabilities: FILE,
    open: async (location) => (await import('./plainjob.ts')).open(location),
  },
  'plainjob-many': {
    about: 'plainjob: addMany() with as many messages as others have in flight; the same worker',
    can: ['queue'],
    durabilities: FILE,
    batch: true,
    open: async (location) => (await import('./plainjob.ts')).open(location),
  },
  raw: {
    about:
      'bare better-sqlite3: insert, claim and delete in one transaction, as many messages as others have in flight',
    can: ['queue'],
    durabilities: FILE,
    batch: true,
    open: async (location) => (await import('./raw.ts')).open(location),
  },
  'sqlite-poll': {
    about:
      'what people have: a table of better-sqlite3, an INSERT for each, a loop that deletes one row at a time and sleeps 100 ms',
    can: ['queue', 'rate', 'wake', 'idle', 'parallel'],
    durabilities: FILE,
    open: async (location) => (await import('./sqlite-poll.ts')).open(location),
  },
  'json-files': {
    about:
      'what people have: a JSON file for each message, renamed into a folder, which its only reader lists every 100 ms',
    can: ['queue', 'rate', 'wake', 'idle'],
    durabilities: ['process'],
    open: async (location) => (await import('./json-files.ts')).open(location),
  },
  ...busbar('redis', {
    server: 'redis',
    urlOf: ({ url }) => url,
    beside: { one: ['bullmq', 'moleculer-redis'], many: ['bullmq-many'], ephemeral: ['ioredis'] },
  }),
  bullmq: {
    about:
      'BullMQ: add() for each, removeOnComplete, a Worker with a concurrency of the calls in flight; otherwise its defaults',
    can: [...JOBS, 'failing'],
    server: 'redis',
    open: async (location) => (await import('./bullmq.ts')).open(location),
  },
  'bullmq-many': {
    about: 'BullMQ: addBulk() with as many messages as others have in flight; the same worker',
    can: ['queue'],
    server: 'redis',
    batch: true,
    open: async (location) => (await import('./bullmq.ts')).open(location),
  },
  ...Object.fromEntries(
    [32, 128].map((concurrency) => [
      `bullmq-${concurrency}`,
      {
        about: `BullMQ: the same as bullmq, its Worker with a concurrency of ${concurrency}`,
        can: ['queue'],
        server: 'redis',
        open: async (location) => (await import('./bullmq.ts')).open(location, concurrency),
      } satisfies Target,
    ]),
  ),
  blpop: {
    about: 'what people have: RPUSH and BLPOP, one message at a time; a message is lost with the consumer that took it',
    can: ['queue', 'rate', 'wake', 'idle', 'parallel'],
    server: 'redis',
    open: async (location) => (await import('./blpop.ts')).open(location),
  },
  ioredis: {
    about: 'bare ioredis: three short scripts with ids, leases and order, pipelined; events by its publish, not stored',
    can: ['queue', 'fanout', 'wake'],
    server: 'redis',
    open: async (location) => (await import('./ioredis.ts')).open(location),
  },
  ...busbar('nats', {
    server: 'nats',
    urlOf: ({ url, durability }) => (durability === 'none' ? `${url}?storage=memory` : url),
    beside: { one: ['jetstream-asked', 'jetstream', 'nats-core'], many: ['jetstream-asked'], ephemeral: ['nats-core'] },
  }),
  jetstream: {
    about: 'bare JetStream: a work queue stream, publishes with ids, a pull consumer that does not wait for its acks',
    can: ['queue', 'rate', 'wake', 'writers', 'parallel', 'failing'],
    server: 'nats',
    open: async (location) => (await import('./jetstream.ts')).open(location, 'unconfirmed'),
  },
  'jetstream-asked': {
    about:
      'the same on a stream with limits; the server confirms all acks, the last one of each turn; alone: one pull, one ack',
    can: ['queue'],
    server: 'nats',
    open: async (location) => (await import('./jetstream.ts')).open(location, 'confirmed'),
  },
  'nats-core': {
    about: 'bare NATS: requests, and events that are not stored, published without a flush',
    can: ['request', 'fanout'],
    server: 'nats',
    open: async (location) => (await import('./nats-core.ts')).open(location),
  },
  ...busbar('unix', { server: 'unix', ...HUB }),
  ...transport('zmq', { server: 'zmq', ...HUB }),
  ...transport('ws', { server: 'ws', ...HUB }),
  'pg-boss': {
    about:
      'pg-boss on PostgreSQL: send() for each, batches of the calls in flight (at least two), woken by notifications',
    can: ['queue', 'rate', 'wake', 'idle', 'parallel', 'failing'],
    server: 'postgres',
    open: async (location) => (await import('./pg-boss.ts')).open(location),
  },
  moleculer: {
    about: 'Moleculer: a call from broker to broker over TCP, JSON, without a hub',
    can: ['request'],
    open: async (location) => (await import('./moleculer.ts')).open(location),
  },
  'moleculer-redis': {
    about: 'Moleculer over the same Redis server: two messages of channels for each call, JSON',
    can: ['request'],
    server: 'redis',
    open: async (location) => (await import('./moleculer.ts')).openOverRedis(location),
  },
  nestjs: {
    about: 'NestJS microservices: a message pattern over TCP, JSON, without a hub',
    can: ['request', 'stream'],
    open: async (location) => (await import('./nestjs.ts')).open(location),
  },
  'bare-socket': {
    about: 'sockets of Node: length-prefixed JSON over a Unix socket, without a hub',
    can: ['request'],
    open: async (location) => (await import('./bare-socket.ts')).open(location),
  },
};

/** A backend of Busbar, and the peers that it is compared with. */
interface BusbarBackend {
  readonly server?: ServerName;
  readonly durabilities?: readonly Durability[];
  readonly beside: {
    readonly one: readonly string[];
    readonly many: readonly string[];
    readonly ephemeral?: readonly string[];
  };
  urlOf(location: TargetLocation): string;
}

/** Busbar on one backend: its transport with one message in each call, with many, and the bus above it. */
function busbar(name: string, backend: BusbarBackend): Record<string, Target> {
  const { beside, urlOf } = backend;
  return {
    ...transport(name, backend, [...ALL, ...LONG_SCENARIOS]),
    [`${name}-many`]: {
      ...commonOf(backend),
      about: 'the same, one call with as many messages as others have in flight',
      can: ['queue'],
      batch: true,
      beside: beside.many,
      open: async (location) => (await import('./busbar.ts')).open(urlOf(location)),
    },
    [`${name}-audit`]: {
      ...commonOf(backend),
      about: 'the same as the transport, with an audit log in a SQLite file beside it',
      can: ['compositions'],
      beside: [name],
      open: async (location) => (await import('./busbar.ts')).open(auditedUrl(urlOf(location), location)),
    },
    [`${name}-hybrid`]: {
      ...commonOf(backend),
      about:
        'the same as a part of a hybrid beside a SQLite file: the fast part if it has a server, else the durable one',
      can: ['compositions'],
      beside: [name],
      open: async (location) => (await import('./busbar.ts')).open(hybridUrl(backend, location)),
    },
    [`${name}-copy`]: {
      ...commonOf(backend),
      about: 'the same as a bus that may move, while a move copies its history to a SQLite file',
      can: ['compositions'],
      beside: [name],
      open: async (location) => openCopied(urlOf(location), `sqlite:${location.folder}/copy.db`),
    },
    [`${name}-lean`]: {
      ...commonOf(backend),
      about: 'the same through its Bus, results not kept: resultTtlMs 0',
      can: ['queue'],
      beside: [name],
      open: async (location) => (await import('./busbar-bus.ts')).open(urlOf(location), { resultTtlMs: 0 }),
    },
    [`${name}-ephemeral`]: {
      ...commonOf(backend),
      about: 'its transport, events that are not stored',
      can: ['fanout'],
      beside: beside.ephemeral ?? [],
      open: async (location) => (await import('./busbar.ts')).open(urlOf(location), { ephemeral: true }),
    },
    [`${name}-bus`]: {
      ...commonOf(backend),
      about:
        'the same through its Bus with its defaults: enqueue and process, results kept, requests between agents, JSON codec',
      can: OF_BUS,
      beside: beside.one,
      open: async (location) => (await import('./busbar-bus.ts')).open(urlOf(location)),
    },
  };
}

/** The queue of the scenario is in the part that is measured. */
function hybridUrl({ server, urlOf }: BusbarBackend, location: TargetLocation): string {
  const [part, other] = [urlOf(location), `sqlite:${location.folder}/other.db`];
  const routes =
    server === undefined ? { fast: other, durable: part } : { fast: part, durable: other, fastQueues: '>' };
  return `hybrid:?${new URLSearchParams(routes)}`;
}

async function openCopied(from: string, to: string): Promise<Client> {
  const { open } = await import('./busbar.ts');
  const client = await open(`migrate:?${new URLSearchParams({ from, to })}`);
  return {
    ...client,
    copy: async (load) => (await import('./copying.ts')).copyAgainAndAgain(from, to, load),
  };
}

function auditedUrl(of: string, { folder }: TargetLocation): string {
  return `audit:?${new URLSearchParams({ of, log: `sqlite:${folder}/audit.db` })}`;
}

function transport(name: string, backend: BusbarBackend, can = ALL): Record<string, Target> {
  const { beside, urlOf } = backend;
  return {
    [name]: {
      ...commonOf(backend),
      about: `Busbar on ${name}: its transport, one message in each call`,
      can,
      beside: beside.one,
      open: async (location) => (await import('./busbar.ts')).open(urlOf(location)),
    },
  };
}

function commonOf({ server, durabilities }: BusbarBackend): Pick<Target, 'busbar' | 'server' | 'durabilities'> {
  return { busbar: true, ...(server && { server }), ...(durabilities && { durabilities }) };
}

/** True if the target supports the scenario at that durability. A target without files or a server supports all. */
export function can(name: string, scenario: ScenarioName, durability: Durability): boolean {
  const { can = [], durabilities, server } = TARGETS[name] ?? {};
  const able = durabilities ?? (server === undefined ? undefined : SERVERS[server].durabilities);
  return can.includes(scenario) && (able?.includes(durability) ?? true);
}

/** Why the server of a target is missing on this machine; undefined if it is there. */
export function missingServerOf(name: string): string | undefined {
  const { server } = TARGETS[name] ?? {};
  return server === undefined ? undefined : SERVERS[server].missing();
}
