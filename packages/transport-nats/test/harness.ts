// What the conformance suite needs to know of the NATS transport.
import type { Harness, HarnessStore, StoreNeeds } from '@busbar/conformance';
import { missingServer, type NatsServer, startNats } from '@busbar/testbed';
import { connect } from '@nats-io/transport-node';
import { openNats, parseNatsUrl } from '../src/index.ts';

const noServer = missingServer('nats-server');
let shared: Promise<NatsServer> | undefined;

/** Stores in namespaces of one server, which dies with this process; a case about the server gets one of its own. */
async function store(needs?: StoreNeeds): Promise<HarnessStore> {
  if (needs?.server === true) return ownServer();
  shared ??= startNats();
  const { url } = await shared;
  return storeAt(url);
}

async function ownServer(): Promise<HarnessStore> {
  const server = await startNats({ proxy: true });
  return { ...storeAt(server.url), server: server as never, remove: async () => await server[Symbol.asyncDispose]() };
}

function storeAt(url: string): HarnessStore {
  const ns = crypto.randomUUID();
  // A history that a case can overflow; the rest is as it is by default.
  const options = { ...parseNatsUrl(url), ns, retention: { maxEvents: 20_000 } };
  return {
    open: () => openNats(options),
    shiftFormat: (by) => shiftFormat(url, ns, by),
    openWith: (more) => openNats({ ...options, ...more }),
    opener: { module: new URL('../src/index.ts', import.meta.url).href, name: 'openNats', argument: options },
    remove: async () => {
      await using transport = await openNats(options);
      await transport.admin.clear();
    },
  };
}

/** Rewrites the header of a namespace. */
async function shiftFormat(url: string, ns: string, by: number): Promise<void> {
  await using connection = await connect({ servers: new URL(url).host });
  const subject = `busbar.${ns}.h`;
  const header = (await connection.request(`$JS.API.DIRECT.GET.BUSBAR_${ns}_LEDGER.${subject}`)).json<{
    format: number;
  }>();
  await connection.request(subject, JSON.stringify({ ...header, format: header.format + by }));
}

/** What the matrix shows. */
export const harness: Harness = {
  name: 'nats',
  missing: {
    files: 'Its files are those of a server.',
    loss: 'Its harness cannot make it lose data yet.',
  },
  ...(noServer !== undefined && { notTested: noServer }),
  store,
};
