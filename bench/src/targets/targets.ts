/** Everything that can be measured, by name; each is loaded in the process that uses it. */

import type { Client, Place } from '../client.ts';
import type { Durability } from '../options.ts';
import { SERVERS, type ServerName } from '../sandbox/servers.ts';
import type { ScenarioName } from '../scenarios/scenarios.ts';

/** One of the things that are compared. */
export interface Subject {
  /** What it is, with what is not obvious about the comparison. */
  readonly about: string;
  /** The scenarios that make sense for it. */
  readonly can: readonly ScenarioName[];
  /** What has to be started for it. */
  readonly server?: ServerName;
  /** Default: those of its server. */
  readonly durabilities?: readonly Durability[];
  /** Sends as many in one call as are in flight elsewhere. */
  readonly batch?: true;
  /** Whom its figures are divided by, where that one has them. */
  readonly beside?: readonly string[];
  open(place: Place): Promise<Client>;
}

/** A hub lends its store to clients: what does it cost against writing the file oneself, and against peers without a hub? */
const HUB = { urlOf: ({ url }: Place): string => url, beside: { one: ['moleculer', 'sqlite'], many: ['sqlite-many'] } };

/** Files that this process writes itself. */
const FILE: readonly Durability[] = ['process', 'power'];
const EVERYTHING: readonly ScenarioName[] = ['queue', 'request', 'fanout', 'wake', 'idle', 'writers', 'memory'];

export const SUBJECTS: Readonly<Record<string, Subject>> = {
  ...busbar('sqlite', {
    durabilities: FILE,
    urlOf: ({ folder, durability }) => `sqlite:${folder}/bus.db?durability=${durability}`,
    beside: { one: ['plainjob', 'moleculer'], many: ['plainjob-many'] },
  }),
  plainjob: {
    about: 'plainjob: add() for each, a transaction each; its worker takes one at a time and polls each second',
    can: ['queue', 'wake', 'idle', 'writers', 'memory'],
    durabilities: FILE,
    open: async (place) => (await import('./plainjob.ts')).open(place),
  },
  'plainjob-many': {
    about: 'plainjob: addMany() with as many as are in flight elsewhere; the same worker',
    can: ['queue'],
    durabilities: FILE,
    batch: true,
    open: async (place) => (await import('./plainjob.ts')).open(place),
  },
  raw: {
    about: 'bare better-sqlite3: insert, claim and delete as many in one transaction as are in flight elsewhere',
    can: ['queue'],
    durabilities: FILE,
    batch: true,
    open: async (place) => (await import('./raw.ts')).open(place),
  },
  ...busbar('redis', {
    server: 'redis',
    urlOf: ({ url }) => url,
    beside: { one: ['bullmq', 'moleculer'], many: ['bullmq-many'] },
  }),
  bullmq: {
    about:
      'BullMQ: add() for each, removeOnComplete, a Worker with as much concurrency as is in flight; else its defaults',
    can: ['queue', 'wake', 'idle', 'writers', 'memory'],
    server: 'redis',
    open: async (place) => (await import('./bullmq.ts')).open(place),
  },
  'bullmq-many': {
    about: 'BullMQ: addBulk() with as many as are in flight elsewhere; the same worker',
    can: ['queue'],
    server: 'redis',
    batch: true,
    open: async (place) => (await import('./bullmq.ts')).open(place),
  },
  ioredis: {
    about: 'bare ioredis: three short scripts with ids, leases and order, pipelined; events by its publish, not stored',
    can: ['queue', 'fanout', 'wake'],
    server: 'redis',
    open: async (place) => (await import('./ioredis.ts')).open(place),
  },
  ...busbar('nats', {
    server: 'nats',
    urlOf: ({ url, durability }) => (durability === 'none' ? `${url}?storage=memory` : url),
    beside: { one: ['jetstream', 'nats-core'], many: ['jetstream'] },
  }),
  jetstream: {
    about: 'bare JetStream: a work queue stream, publishes with ids, a pull consumer that does not wait for its acks',
    can: ['queue', 'wake', 'writers'],
    server: 'nats',
    open: async (place) => (await import('./jetstream.ts')).open(place, 'told'),
  },
  'jetstream-asked': {
    about: 'the same, but its consumer asks the server to confirm each ack, as Busbar does',
    can: ['queue'],
    server: 'nats',
    open: async (place) => (await import('./jetstream.ts')).open(place, 'asked'),
  },
  'nats-core': {
    about: 'bare NATS: requests, and events that nobody stores',
    can: ['request', 'fanout'],
    server: 'nats',
    open: async (place) => (await import('./nats-core.ts')).open(place),
  },
  ...busbar('unix', { server: 'unix', ...HUB }),
  ...transport('zmq', { server: 'zmq', ...HUB }),
  ...transport('ws', { server: 'ws', ...HUB }),
  moleculer: {
    about: 'Moleculer: a call from broker to broker over TCP, JSON, no hub between',
    can: ['request'],
    open: async (place) => (await import('./moleculer.ts')).open(place),
  },
  nestjs: {
    about: 'NestJS microservices: a message pattern over TCP, JSON, no hub between',
    can: ['request'],
    open: async (place) => (await import('./nestjs.ts')).open(place),
  },
  'bare-socket': {
    about: 'sockets of Node: length-prefixed JSON over a Unix socket, no hub between',
    can: ['request'],
    open: async (place) => (await import('./bare-socket.ts')).open(place),
  },
};

/** What Busbar runs on, and whom it is compared with. */
interface Backend {
  readonly server?: ServerName;
  readonly durabilities?: readonly Durability[];
  readonly beside: { readonly one: readonly string[]; readonly many: readonly string[] };
  urlOf(place: Place): string;
}

/** Busbar on one backend: its transport with one message in each call, the same with many, and the Bus above. */
function busbar(name: string, backend: Backend): Record<string, Subject> {
  const { beside, urlOf } = backend;
  return {
    ...transport(name, backend),
    [`${name}-many`]: {
      ...foundation(backend),
      about: 'the same, one call with as many messages as are in flight elsewhere',
      can: ['queue'],
      batch: true,
      beside: beside.many,
      open: async (place) => (await import('./busbar.ts')).open(urlOf(place)),
    },
    [`${name}-bus`]: {
      ...foundation(backend),
      about: 'the same through its Bus: enqueue and process, agents that ask each other, JSON codec, results not kept',
      can: ['queue', 'request', 'fanout', 'idle', 'memory'],
      beside: beside.one,
      open: async (place) => (await import('./busbar-bus.ts')).open(urlOf(place)),
    },
  };
}

function transport(name: string, backend: Backend): Record<string, Subject> {
  const { beside, urlOf } = backend;
  return {
    [name]: {
      ...foundation(backend),
      about: `Busbar on ${name}: its transport, one message in each call, as many calls in flight as said`,
      can: EVERYTHING,
      beside: beside.one,
      open: async (place) => (await import('./busbar.ts')).open(urlOf(place)),
    },
  };
}

function foundation({ server, durabilities }: Backend): Pick<Subject, 'server' | 'durabilities'> {
  return { ...(server && { server }), ...(durabilities && { durabilities }) };
}

/** Whether it can be asked for that; a server stores as it was told, one without stores as it always does. */
export function can(name: string, scenario: ScenarioName, durability: Durability): boolean {
  const { can = [], durabilities, server } = SUBJECTS[name] ?? {};
  const able = durabilities ?? (server === undefined ? undefined : SERVERS[server].durabilities);
  return can.includes(scenario) && (able?.includes(durability) ?? true);
}

/** Why it cannot be measured on this machine; undefined where it can. */
export function missing(name: string): string | undefined {
  const { server } = SUBJECTS[name] ?? {};
  return server === undefined ? undefined : SERVERS[server].missing();
}
