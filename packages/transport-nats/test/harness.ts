// What the conformance suite needs to know of the NATS transport.
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Harness, HarnessStore, StoreNeeds } from '@busbar/conformance';
import { missingServer, type NatsCluster, type NatsServer, startNats, startNatsCluster } from '@busbar/testbed';
import { connect } from '@nats-io/transport-node';
import { type NatsOptions, openNats, parseNatsUrl } from '../src/index.ts';
import { untrustedClients } from './untrusted-clients.ts';

const noServer = missingServer('nats-server');
let shared: Promise<NatsServer> | undefined;
let sharedCluster: Promise<NatsCluster> | undefined;

/** Stores in namespaces of one server, which dies with this process; a case about the server gets one of its own. */
async function store(needs?: StoreNeeds): Promise<HarnessStore> {
  if (needs?.server === true) return ownServer();
  shared ??= startNats();
  return storeAt(parseNatsUrl((await shared).url));
}

/** Stores in namespaces of one cluster, with three replicas. */
async function clusterStore(): Promise<HarnessStore> {
  sharedCluster ??= startNatsCluster();
  const { servers } = await sharedCluster;
  return storeAt({ servers: servers.map(({ port }) => `127.0.0.1:${port}`), replicas: 3 });
}

async function ownServer(): Promise<HarnessStore> {
  const server = await startNats({ proxy: true });
  const at = storeAt(parseNatsUrl(server.url));
  return {
    ...at,
    server: server as never,
    loss: lossOf(server),
    remove: async () => await server[Symbol.asyncDispose](),
  };
}

/** The server is killed and started again without its files, or with earlier ones. */
function lossOf(server: NatsServer): NonNullable<HarnessStore['loss']> {
  const [folder, saved] = [join(server.folder, 'data'), join(server.folder, 'saved')];
  return {
    save: async () => {
      server.pause();
      cpSync(folder, saved, { recursive: true });
      server.resume();
    },
    lose: async (to) => {
      await server.kill();
      rmSync(folder, { recursive: true });
      if (to === 'saved') cpSync(saved, folder, { recursive: true });
      await server.start();
    },
  };
}

function storeAt(server: NatsOptions): HarnessStore {
  const ns = crypto.randomUUID();
  // A history that a case can overflow; the rest is as it is by default.
  const options = { ...server, ns, retention: { maxEvents: 20_000 } };
  return {
    open: () => openNats(options),
    shiftFormat: (by) => shiftFormat(server, ns, by),
    openWith: (more) => openNats({ ...options, ...more }),
    opener: { module: new URL('../src/index.ts', import.meta.url).href, name: 'openNats', argument: options },
    remove: async () => {
      await using transport = await openNats(options);
      await transport.admin.clear();
    },
  };
}

/** Rewrites the header of a namespace. */
async function shiftFormat({ servers = [] }: NatsOptions, ns: string, by: number): Promise<void> {
  await using connection = await connect({ servers: [...servers] });
  const subject = `busbar.${ns}.h`;
  const header = (await connection.request(`$JS.API.DIRECT.GET.BUSBAR_${ns}_LEDGER.${subject}`)).json<{
    format: number;
  }>();
  await connection.request(subject, JSON.stringify({ ...header, format: header.format + by }));
}

const single: Harness = {
  name: 'nats',
  missing: {
    files: 'Its files are those of a server.',
  },
  ...(noServer !== undefined && { notTested: noServer }),
  untrustedClients,
  store,
};

/** A cluster of three. */
const cluster: Harness = {
  ...single,
  missing: {
    ...single.missing,
    server: 'kills.test.ts and lost-consumers.full.test.ts take servers from a cluster.',
    loss: 'A cluster with replicas loses data only with most of its servers.',
  },
  store: clusterStore,
};

/** What the matrix shows. With `BUSBAR_NATS_CLUSTER=1` a cluster of three stands in for the server. */
export const harness: Harness = process.env['BUSBAR_NATS_CLUSTER'] === '1' ? cluster : single;
